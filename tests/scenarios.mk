# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# libahora's driver for the scenarios that all clients play (tests/scenarios/README.md).

$(BUILD)/tests/scenarios/driver: $(BUILD)/obj/tests/scenarios/driver.o $(BUILD)/libahora.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

.PHONY: scenarios-c
scenarios-c: $(BUILD)/ahorad $(BUILD)/tests/scenarios/driver ## play tests/scenarios with libahora (needs node and npm)
	@tests/scenarios/run.sh $(BUILD)
