/* SPDX-License-Identifier: MIT
 *
 * The face of csrc: what the cffi module and every file here include.
 */
#ifndef PYMHD_H
#define PYMHD_H

#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "shim.h"
#include "callbacks.h"

#endif
