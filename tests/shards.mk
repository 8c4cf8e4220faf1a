# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The simulation of several cores that share one ledger.

$(BUILD)/tests/shards: $(call objects,tests/shards) $(BUILD)/libcore.a $(BUILD)/libbase.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
