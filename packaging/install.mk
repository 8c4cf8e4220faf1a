# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# What `make install` puts where: programs, library with headers and pkg-config file, manual pages, completion, unit, example configuration.
# PREFIX is where it will live, DESTDIR in front of it where it is put now (a package's tree). Paths below may be set one by one.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/ahora
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system

# Before 1.0 a minor version may break the ABI, so it is part of the soname.
SOVERSION := $(word 1,$(subst ., ,$(VERSION))).$(word 2,$(subst ., ,$(VERSION)))
SONAME := libahora.so.$(SOVERSION)
LIB := $(BUILD)/lib

lib_objects := $(call objects,clients/c proto)
LIB_NEEDS := -luv -lssl -lcrypto -lmsgpackc -ljansson -lxxhash -lm

$(LIB)/$(SONAME): $(lib_objects) clients/c/libahora.map
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) -shared $(LDFLAGS_ALL) -Wl,-z,defs -Wl,-soname,$(SONAME) -Wl,--version-script=clients/c/libahora.map -o $@ \
		$(lib_objects) $(LIB_NEEDS)

# One object in which only the API is global: the names of our insides collide with nobody's.
$(LIB)/libahora.a: $(lib_objects)
	@mkdir -p $(@D)
	@echo "  AR    $@"
	@$(LD) -r -o $(LIB)/ahora.o $(lib_objects)
	@objcopy --wildcard --keep-global-symbol='ahora_*' $(LIB)/ahora.o
	@rm -f $@
	@$(AR) rcs $@ $(LIB)/ahora.o

.PHONY: library
library: $(LIB)/$(SONAME) $(LIB)/libahora.a ## build libahora as it is installed, shared and static

# ---- manual pages ----

MAN_PAGES := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.scd))

$(BUILD)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	@day=$$(git log -1 --format=%ct -- $< 2>/dev/null || true); \
		SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$${day:-$$(date -r $< +%s)}} scdoc <$< >$@.part
	@mv $@.part $@

.PHONY: man
man: $(MAN_PAGES) ## build the manual pages (scdoc)

$(BUILD)/completion/ahora: $(BUILD)/ahora
	@mkdir -p $(@D)
	@$(BUILD)/ahora completion bash >$@

# ---- install ----

INSTALLED_HEADERS := ahora.h protocol.h
man_section = $(subst .,,$(suffix $(1)))

.PHONY: install
install: all library man $(BUILD)/completion/ahora ## install programs, library, manual pages, completion, unit (PREFIX, DESTDIR)
	install -D -m 755 -t $(DESTDIR)$(BINDIR) $(BUILD)/ahorad $(BUILD)/ahora
	install -D -m 644 -t $(DESTDIR)$(INCLUDEDIR)/ahora $(addprefix include/ahora/,$(INSTALLED_HEADERS))
	install -D -m 644 -t $(DESTDIR)$(LIBDIR) $(LIB)/$(SONAME) $(LIB)/libahora.a
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libahora.so
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' packaging/ahora.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/ahora.pc
	$(foreach page,$(MAN_PAGES),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$(call man_section,$(page)) $(page) &&) true
	install -D -m 644 -t $(DESTDIR)$(COMPLETIONDIR) $(BUILD)/completion/ahora
	install -d $(DESTDIR)$(UNITDIR)
	sed -e 's|/usr/local/bin|$(BINDIR)|g' -e 's|/usr/local/share/doc/ahora|$(DOCDIR)|g' packaging/ahora.service \
		>$(DESTDIR)$(UNITDIR)/ahora.service
	install -D -m 644 -t $(DESTDIR)$(DOCDIR) packaging/ahora.conf
	install -D -m 644 -t $(DESTDIR)$(DOCDIR)/examples $(wildcard clients/c/examples/*.c)

.PHONY: uninstall
uninstall: ## remove what install put there (the same PREFIX, DESTDIR)
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,ahorad ahora)
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/ahora/,$(INSTALLED_HEADERS))
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(SONAME) libahora.a libahora.so pkgconfig/ahora.pc)
	rm -f $(foreach page,$(MAN_PAGES),$(DESTDIR)$(MANDIR)/man$(call man_section,$(page))/$(notdir $(page)))
	rm -f $(DESTDIR)$(COMPLETIONDIR)/ahora $(DESTDIR)$(UNITDIR)/ahora.service $(DESTDIR)$(DOCDIR)/ahora.conf
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/examples/,$(notdir $(wildcard clients/c/examples/*.c)))
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(INCLUDEDIR)/ahora $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DOCDIR) 2>/dev/null || true

# ---- what the manual pages take from the code ----

$(BUILD)/man/keys: $(BUILD)/obj/docs/man/keys.o $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

.PHONY: man-sources
man-sources: $(BUILD)/ahora $(BUILD)/man/keys ## write anew what of docs/man follows from the code
	@BUILD=$(BUILD) packaging/man_sources.sh
