/* SPDX-License-Identifier: MIT
 *
 * Whether TLS can be had, with this certificate.
 */
#pragma once

#include <stdint.h>

int
pymhd_tls_supported (void);

const char *
pymhd_tls_error (int error);

int
pymhd_tls_check_pair (const char *cert,
                      const char *key,
                      const char *password);

int
pymhd_tls_validity (const char *cert,
                    int64_t *not_before,
                    int64_t *not_after);

int
pymhd_tls_check_ca (const char *ca);

enum pymhd_priorities
{
  PYMHD_PRIORITIES_GOOD = -1,
  PYMHD_PRIORITIES_EMPTY = -2
};

int
pymhd_tls_check_priorities (const char *priorities);
