# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# ahora-bench puts a broker under load; ahora-bench-raw is the yardstick beside it (bench/README.md). BENCH_OPTIONS adds options.

BENCH_OPTIONS ?=
BENCH_OUT ?= bench/out
BUN_VERSION := 1.4.5

bench_objects := $(filter-out %/raw.o,$(call objects,bench))

$(BUILD)/ahora-bench: $(bench_objects) $(BUILD)/libproto.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -ljansson -lz -lm -lssl -lcrypto

$(BUILD)/ahora-bench-raw: $(BUILD)/obj/bench/raw.o
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^

$(BUILD)/peers/bun_server.js: bench/peers/bun_server.js
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/peers/lws_server: $(BUILD)/obj/bench/peers/lws_server.o
	@echo "  LINK  $@"
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lwebsockets

# The unit tests of the bench take what they need from one archive, and nothing of the broker.
$(BUILD)/libbench.a: $(filter-out %/main.o,$(bench_objects)) $(call objects,proto)
$(BUILD)/tests/unit/test_histogram $(BUILD)/tests/unit/test_bench: $(BUILD)/libbench.a
$(BUILD)/tests/unit/test_bench_%: $(BUILD)/obj/tests/unit/test_bench_%.o $(BUILD)/libbench.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -ljansson -lz -lm -lssl -lcrypto -lcmocka

.PHONY: bench-programs
bench-programs: $(BUILD)/ahorad $(BUILD)/ahora-bench $(BUILD)/ahora-bench-raw $(BUILD)/peers/bun_server.js $(BUILD)/peers/lws_server ## build the broker, the bench and its yardstick

.PHONY: bench
bench: bench-programs ## measure ahora beside the raw yardstick in about 3 minutes; bench/out/report.html, .txt, .json, .csv
	$(BUILD)/ahora-bench suite bench --out $(BENCH_OUT) $(BENCH_OPTIONS)

.PHONY: bench-peers
bench-peers: bench-programs ## everything, beside the peers, in about 30 minutes; goes on where it was interrupted
	$(BUILD)/ahora-bench suite peers --out $(BENCH_OUT) $(BENCH_OPTIONS)

.PHONY: bench-sweeps
bench-sweeps: bench-programs ## how cost grows with subscribers, topics, patterns, views, bytes, shards; about 6 minutes
	$(BUILD)/ahora-bench suite sweeps --out $(BENCH_OUT) $(BENCH_OPTIONS)

.PHONY: bench-report
bench-report: bench-programs ## write the report again from what was measured
	$(BUILD)/ahora-bench suite report --out $(BENCH_OUT)

.PHONY: bench-peers-deps
bench-peers-deps: ## install the peers that bench-peers measures ahora beside (Debian and npm)
	@packaging/deps.sh peers
	@mkdir -p $(BUILD)/peers
	npm install --prefix $(BUILD)/peers --no-audit --no-fund --no-package-lock bun@$(BUN_VERSION)

.PHONY: bench-smoke
bench-smoke: bench-programs ## every scenario for a moment, against ahora and the yardstick: promises, not speed
	@BUILD=$(BUILD) tests/bench_smoke.sh
