# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Hostile tokens, made with jose, against the real broker. Needs node and npm; without them it says so.

$(BUILD)/tests/tokens: $(BUILD)/obj/tests/tokens/main.o $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lmsgpackc -ljansson -lz -lm

.PHONY: tokens
tokens: $(BUILD)/tests/tokens $(BUILD)/ahorad ## show hostile tokens to the broker
	@AHORAD=$(BUILD)/ahorad tests/tokens/run.sh $(BUILD)/tests/tokens
