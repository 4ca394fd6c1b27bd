/* SPDX-License-Identifier: MIT
 *
 * What pymhd/_native/layouts.py packs and unpacks by itself has the same layout
 * everywhere: also where integers of 64 bits are aligned to 4 bytes, as on i386.
 * Python compares the offsets with its own when it is imported; that there is no
 * padding but what is written down holds here, when this is compiled.
 */
#include "api/batch.h"
#include "api/hub.h"

_Static_assert (5 * 8 == sizeof (struct pymhd_event), "five integers");
_Static_assert (4 * 8 == offsetof (struct pymhd_event, body_size),
                "no hole in an event");
_Static_assert (4 * 8 == sizeof (struct pymhd_answer), "two and four integers");
_Static_assert (2 * 8 + 3 * 4 == offsetof (struct pymhd_answer, padding),
                "no hole in an answer");
_Static_assert (4 * 8 == sizeof (struct pymhd_hub_event), "four integers");
_Static_assert (3 * 8 == offsetof (struct pymhd_hub_event, second),
                "no hole in an event of the hub");
/* An address travels as an integer. */
_Static_assert (sizeof (void *) <= sizeof (int64_t), "addresses fit");
/* The hub looks for data with one comparison. */
_Static_assert (0 == PYMHD_HUB_DATA, "data is 0");
