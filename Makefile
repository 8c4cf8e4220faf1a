# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# `make help` lists the targets. BUILD=dir chooses where things go, CC=clang the compiler, SAN=address or SAN=thread a sanitizer.

BUILD ?= build
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN ?=
VERSION := 0.1.0
, := ,

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla \
            -Wpointer-arith -Wwrite-strings -Wformat=2 -Wcast-qual -Werror
OPTIMIZE := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
SANITIZE := $(if $(filter address,$(SAN)),-fsanitize=address$(,)undefined -fno-sanitize-recover=all)$(if $(filter thread,$(SAN)),-fsanitize=thread)

CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -DAHORA_VERSION='"$(VERSION)"' -I. -g $(OPTIMIZE) $(SANITIZE) -fno-strict-aliasing \
              -fstack-protector-strong -fPIC -pthread $(WARNINGS) -MMD -MP $(CFLAGS)
LDFLAGS_ALL := $(SANITIZE) -pthread -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := -luv -ljwt -lssl -lcrypto -lmsgpackc -ljansson -llmdb -linih -lxxhash -lz -lm

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(addsuffix /*.c,$(1))))

ARCHIVES := $(addprefix $(BUILD)/lib,net.a store.a core.a base.a proto.a)

.PHONY: all
all: $(BUILD)/ahorad $(BUILD)/ahora ## build the broker (build/ahorad) and the command line client (build/ahora)

.PHONY: run
run: deps-run ## install what is missing, build, start the broker with a live demo feed and say which URL to open
	@$(MAKE) --no-print-directory -j2 all
	@packaging/demo.sh $(BUILD)

.PHONY: test
test: deps-test ## install what is missing, build, run every test (about 35 minutes on 2 cores)
	@BUILD=$(BUILD) tests/run.sh

.PHONY: deps-run
deps-run: ## install the packages that building and running need
	@packaging/deps.sh run

.PHONY: deps-test
deps-test: ## install the packages that testing needs besides
	@packaging/deps.sh test

# ---- archives and programs ----

$(BUILD)/libproto.a: $(call objects,proto)
$(BUILD)/libbase.a: $(call objects,broker/base)
$(BUILD)/libcore.a: $(call objects,broker/core)
$(BUILD)/libstore.a: $(call objects,broker/store)
$(BUILD)/libnet.a: $(call objects,broker/net)
$(BUILD)/libahora.a: $(call objects,clients/c proto)
$(BUILD)/libcli.a: $(filter-out %/main.o,$(call objects,clients/cli))

$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) -c $< -o $@

# Kinds, pages and descriptions are taken in by .incbin, which -MMD does not see.
include broker/net/page/page.mk
$(BUILD)/obj/broker/net/describe.o $(BUILD)/obj/broker/net/openapi.o: $(wildcard broker/net/describe/*)
$(BUILD)/obj/proto/kinds.o: $(wildcard proto/kinds/*.json)

$(BUILD)/ahorad: $(BUILD)/obj/broker/main.o $(ARCHIVES)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/ahora: $(call objects,clients/cli) $(BUILD)/libahora.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# ---- tests: each tests/unit/test_*.c is a program; more in tests/*.mk ----

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libcli.a $(BUILD)/libahora.a $(ARCHIVES)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_TESTS) ## build the unit tests

-include $(wildcard tests/*.mk)
-include bench/bench.mk

# ---- checks ----

.PHONY: format
format: ## format every C file
	@git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: tidy
tidy: $(BUILD)/libcore.a $(BUILD)/ahorad $(BUILD)/ahora $(BUILD)/man/keys ## check formatting, folder arrows, third-party headers, banned calls, stale files
	@BUILD=$(BUILD) tests/tidy.sh
	@BUILD=$(BUILD) tests/limits.sh

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

include packaging/install.mk

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  %-14s %s\n' "$$target" "$$text"; done
