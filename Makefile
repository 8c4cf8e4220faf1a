# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# `make help` lists the targets. BUILD=dir chooses where things go, CC=clang the compiler, SAN=address or SAN=thread a sanitizer.

BUILD ?= build
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN ?=
VERSION := 0.1.0

PACKAGES := libuv libwebsockets msgpack jansson lmdb inih libxxhash openssl
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla \
            -Wpointer-arith -Wwrite-strings -Wformat=2 -Wcast-qual -Werror
OPTIMIZE := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
SANITIZE := $(if $(filter address,$(SAN)),-fsanitize=address$(,)undefined -fno-sanitize-recover=all)$(if $(filter thread,$(SAN)),-fsanitize=thread)
, := ,

CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -DAHORA_VERSION='"$(VERSION)"' -I. -isystem /usr/include -g $(OPTIMIZE) $(SANITIZE) -fno-strict-aliasing -fstack-protector-strong \
              -fPIC -pthread $(WARNINGS) -MMD -MP $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CFLAGS)
LDFLAGS_ALL := $(SANITIZE) -pthread -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := -luv -lwebsockets -lssl -lcrypto -lmsgpackc -ljansson -llmdb -linih -lxxhash -lz -lm

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(addsuffix /*.c,$(1))))

PROTO_OBJECTS := $(call objects,proto)
BASE_OBJECTS := $(call objects,broker/base)
CORE_OBJECTS := $(call objects,broker/core)
STORE_OBJECTS := $(call objects,broker/store)
NET_OBJECTS := $(call objects,broker/net)
CLIENT_OBJECTS := $(call objects,clients/c)

ARCHIVES := $(BUILD)/libnet.a $(BUILD)/libstore.a $(BUILD)/libcore.a $(BUILD)/libbase.a $(BUILD)/libproto.a

.PHONY: all
all: $(BUILD)/ahorad $(BUILD)/ahora ## build the broker and the command line client

$(BUILD)/libproto.a: $(PROTO_OBJECTS)
$(BUILD)/libbase.a: $(BASE_OBJECTS)
$(BUILD)/libcore.a: $(CORE_OBJECTS)
$(BUILD)/libstore.a: $(STORE_OBJECTS)
$(BUILD)/libnet.a: $(NET_OBJECTS)
$(BUILD)/libahora.a: $(CLIENT_OBJECTS) $(PROTO_OBJECTS)

$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/ahorad: $(BUILD)/obj/broker/main.o $(ARCHIVES)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/ahora: $(call objects,clients/cli) $(BUILD)/libahora.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# ---- tests: each tests/unit/test_*.c is a program ----

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libstore.a $(BUILD)/libcore.a $(BUILD)/libbase.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r t d; do printf '  %-18s %s\n' "$$t" "$$d"; done
