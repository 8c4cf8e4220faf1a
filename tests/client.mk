# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# libahora against the real broker, through a faulty wire, and with a clock that is wrong.

$(BUILD)/tests/client/test_property: $(call objects,tests/client) $(BUILD)/libahora.a $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka

# Without a sanitizer: it is loaded before one.
$(BUILD)/tests/client/skew.so: tests/skew/skew.c
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $<

.PHONY: check-client
check-client: $(BUILD)/ahorad $(BUILD)/tests/client/test_property $(BUILD)/tests/client/skew.so ## random lives of libahora: what it shows is what the broker holds
	@AHORAD=$(BUILD)/ahorad AHORA_TEST_SKEW=$(BUILD)/tests/client/skew.so $(BUILD)/tests/client/test_property
