# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# libahora against the real broker, through a faulty wire.

$(BUILD)/tests/client/test_property: $(call objects,tests/client) $(BUILD)/libahora.a $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka

.PHONY: check-client
check-client: $(BUILD)/ahorad $(BUILD)/tests/client/test_property ## random publishes and cuts: what libahora shows is what the broker holds
	@AHORAD=$(BUILD)/ahorad $(BUILD)/tests/client/test_property
