# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# libFuzzer programs: clang with AddressSanitizer and UndefinedBehaviorSanitizer, everything they test compiled the same way.

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BUILD := $(BUILD)/fuzz

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZ_SECONDS, starting from its corpus
	@$(MAKE) --no-print-directory -j2 BUILD=$(FUZZ_BUILD) CC=clang SAN=address CFLAGS='-fsanitize=fuzzer-no-link' \
		$(addprefix $(FUZZ_BUILD)/tests/fuzz/,$(FUZZ_TARGETS))
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p $(FUZZ_BUILD)/corpus/$$target tests/fuzz/corpus/$$target; \
		echo "fuzz: $$target, $(FUZZ_SECONDS) s"; \
		$(FUZZ_BUILD)/tests/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
			-artifact_prefix=$(FUZZ_BUILD)/ $(FUZZ_BUILD)/corpus/$$target tests/fuzz/corpus/$$target \
			>$(FUZZ_BUILD)/$$target.log 2>&1 || { tail -40 $(FUZZ_BUILD)/$$target.log; exit 1; }; \
		grep -E 'stat::number_of_executed_units' $(FUZZ_BUILD)/$$target.log; \
	done

$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libstore.a $(BUILD)/libcore.a $(BUILD)/libbase.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS)

$(BUILD)/tests/fuzz/fuzz_frame: $(BUILD)/obj/broker/net/frame.o

$(BUILD)/tests/fuzz/fuzz_client: $(BUILD)/libahora.a
