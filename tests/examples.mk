# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0

.PHONY: check-examples
check-examples: $(BUILD)/ahorad ## run docs/examples, clients written from docs/protocol.md alone, against the broker
	@tests/examples/run.sh $(BUILD)/ahorad
