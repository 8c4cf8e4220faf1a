# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# libahora's driver for the scenarios that all clients play (tests/scenarios/README.md).

$(BUILD)/tests/scenarios/driver: $(BUILD)/obj/tests/scenarios/driver.o $(BUILD)/libahora.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
