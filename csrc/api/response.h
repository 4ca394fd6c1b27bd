/* SPDX-License-Identifier: MIT
 *
 * Responses that any number of requests and threads share.
 */
#pragma once

#include <stddef.h>

struct pymhd_response;

struct pymhd_response *
pymhd_response_new (unsigned int status,
                    const char *body,
                    size_t body_size,
                    const char *fields,
                    size_t fields_size);

struct pymhd_response *
pymhd_response_new_zero_copy (unsigned int status,
                              const char *body,
                              size_t body_size,
                              const char *fields,
                              size_t fields_size);

void
pymhd_response_ref (struct pymhd_response *response);

void
pymhd_response_unref (struct pymhd_response *response);
