/* SPDX-License-Identifier: MIT
 *
 * What we were built against.
 */
#include <microhttpd.h>

#include "api/process.h"

/* MHD_VERSION of the header: 0x01000100 for 1.0.1.  Any thread. */
unsigned int
pymhd_header_version (void)
{
  return MHD_VERSION;
}
