/* SPDX-License-Identifier: MIT
 *
 * Responses that upgrade their connections, for C and for the raw layer:
 * MHD_response_for_upgrade() is libmicrohttpd's only in its experimental tree.
 */
#pragma once

#include <stddef.h>
#include <microhttpd.h>

#include "api/response.h"

struct MHD_Response *
MHD_response_for_upgrade (MHD_UpgradeHandler upgrade_handler,
                          void *upgrade_handler_cls);

enum MHD_Result
pymhd_queue_upgrade (struct MHD_Connection *connection,
                     struct MHD_Response *response);

/* Python gets the descriptor. */
struct pymhd_response *
pymhd_response_new_upgrade (const char *fields,
                            size_t fields_size);

/* The hub keeps it. */
struct pymhd_response *
pymhd_response_new_hub (const char *fields,
                        size_t fields_size);
