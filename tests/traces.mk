# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# LIMIT=n takes the first n events of each file, FILES=part only the files of such a name, SEED=n other subscribers.

CHECK_TRACES_OPTIONS = $(if $(LIMIT),--limit $(LIMIT)) $(if $(FILES),--files $(FILES)) $(if $(SEED),--seed $(SEED))

$(BUILD)/tests/check-traces: $(call objects,tests/traces) $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lmsgpackc -ljansson -lz -lm

.PHONY: check-traces
check-traces: $(BUILD)/tests/check-traces $(BUILD)/ahorad ## replay the real event traces through the broker; LIMIT=20000 for a quick run
	AHORAD=$(BUILD)/ahorad $(BUILD)/tests/check-traces $(CHECK_TRACES_OPTIONS)
