# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# ahora-bench puts a broker under load; ahora-bench-raw is the yardstick beside it (bench/README.md). BENCH_OPTIONS adds options.

BENCH_OPTIONS ?=
BENCH_OUT := bench/out

bench_objects := $(filter-out %/raw.o,$(call objects,bench))

$(BUILD)/ahora-bench: $(bench_objects) $(BUILD)/libproto.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -ljansson -lz -lm

$(BUILD)/ahora-bench-raw: $(BUILD)/obj/bench/raw.o
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^

$(BUILD)/peers/bun_server.js: bench/peers/bun_server.js
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/tests/unit/test_histogram: $(BUILD)/obj/bench/histogram.o
$(BUILD)/tests/unit/test_bench: $(addprefix $(BUILD)/obj/bench/,dialect.o dialect_build.o dialect_read.o dialect_peer.o threshold.o result.o histogram.o)

.PHONY: bench-programs
bench-programs: $(BUILD)/ahorad $(BUILD)/ahora-bench $(BUILD)/ahora-bench-raw $(BUILD)/peers/bun_server.js ## build the broker, the bench and its yardstick

.PHONY: bench
bench: bench-programs ## measure ahora beside the raw yardstick in about 3 minutes; bench/out/report.txt, .json, .csv
	@mkdir -p $(BENCH_OUT)
	$(BUILD)/ahora-bench all --target ahora,raw --runs 3 --quick --json $(BENCH_OUT)/report.json --csv $(BENCH_OUT)/report.csv \
		$(BENCH_OPTIONS) | tee $(BENCH_OUT)/report.txt
