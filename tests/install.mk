# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0

.PHONY: check-install
check-install: all library ## install into a scratch tree, build the examples against it, run them, and remove it all again
	@BUILD=$(BUILD) tests/install/run.sh
