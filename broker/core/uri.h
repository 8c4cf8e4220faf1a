/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Is a text a URI (RFC 3986, appendix A: `URI`, the one with a scheme)? Pure. */
#ifndef CORE_URI_H
#define CORE_URI_H

#include "proto/buffer.h"

bool uri_is_legal(struct span text);

#endif
