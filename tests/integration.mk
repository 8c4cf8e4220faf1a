# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Each tests/integration/test_*.c is a program that starts the real broker (AHORAD, default build/ahorad) on a free
# loopback port; what they share (scene.h, keyed.h) is linked to each.
# OpenSSL is for test_tls_floods.

INTEGRATION_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/test_*.c))
INTEGRATION_RIG := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/integration/test_%,$(wildcard tests/integration/*.c)))
$(BUILD)/tests/integration/%: $(BUILD)/obj/tests/integration/%.o $(INTEGRATION_RIG) $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lmsgpackc -ljansson -lz -lm -lcmocka -lssl -lcrypto

.PHONY: integration
integration: all $(INTEGRATION_TESTS) $(BUILD)/tests/tls-tunnel ## build the integration tests

$(BUILD)/tests/tls-tunnel: $(BUILD)/obj/tests/tunnel/main.o
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lssl -lcrypto
