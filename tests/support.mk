# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# What integration and trace tests share: a client of their own, the broker as a child process.

$(BUILD)/libsupport.a: $(call objects,tests/support)
