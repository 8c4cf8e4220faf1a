# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The simulation of the core. Two calls of the core pass through the simulation, so that its model hears of them in the right order.

SIM_SEEDS ?= 1..1000

$(BUILD)/tests/sim: $(call objects,tests/sim) $(BUILD)/libcore.a $(BUILD)/libbase.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -Wl,--wrap=request_handle -Wl,--wrap=ledger_apply -Wl,--wrap=ledger_run_due \
		-Wl,--wrap=sources_lose -o $@ $^ $(LIBS)

.PHONY: sim
sim: $(BUILD)/tests/sim ## simulate the core (SIM_SEEDS=1..1000)
	$(BUILD)/tests/sim --seeds $(SIM_SEEDS)

# The ledger is fuzzed against the simulation's model.
$(BUILD)/tests/fuzz/fuzz_ledger: $(addprefix $(BUILD)/obj/tests/sim/,model.o paper.o rules.o)
