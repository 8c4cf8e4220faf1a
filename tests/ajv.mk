# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The broker's schemas against a second implementation. Needs node and npm; without them it says so.

$(BUILD)/tests/ajv/judge: $(BUILD)/obj/tests/ajv/judge.o $(BUILD)/libcore.a $(BUILD)/libbase.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

.PHONY: ajv
ajv: $(BUILD)/tests/ajv/judge ## hold schemas and documents against ajv (AJV_SEED=1 AJV_SCHEMAS=1500)
	@tests/ajv/run.sh $(BUILD)/tests/ajv/judge
