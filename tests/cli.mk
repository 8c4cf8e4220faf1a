# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0

.PHONY: check-cli
check-cli: all ## the command line client at a terminal: top, help, exit codes
	@tests/cli/run.sh $(BUILD)
