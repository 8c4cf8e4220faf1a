# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The pages inside the program. PAGES is shared by all builds: compilers and sanitizers make no difference to them. Where node is missing they are
# the plain page, and are made again as soon as it is there.

PAGES ?= build/page
PAGE_SOURCES := $(shell find broker/net/page clients/js/src -type f -not -path '*/node_modules/*' 2>/dev/null)
PAGES_ARE_PLAIN := $(shell command -v npm >/dev/null && grep -qs page.js $(PAGES)/files.h && echo FORCE)

$(PAGES)/made: $(PAGE_SOURCES) $(PAGES_ARE_PLAIN)
	@broker/net/page/build.sh $(PAGES)
	@touch $@

$(PAGES)/files.h: $(PAGES)/made ;

$(BUILD)/obj/broker/net/page_file.o: $(PAGES)/files.h
$(BUILD)/obj/broker/net/page_file.o: CFLAGS_ALL += -DPAGE_FILES='"$(PAGES)/files.h"'

.PHONY: FORCE
FORCE:
