/* SPDX-License-Identifier: MIT
 *
 * Finds GnuTLS where libmicrohttpd has loaded it, and asks it whether
 * certificates, keys and priorities will do before a daemon is started.
 */
#define _GNU_SOURCE              /* dladdr() */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <microhttpd.h>

#include "transport/gnutls.h"
#include "api/tls.h"

/* More certificates than lead to any authority. */
#define CHAIN_LENGTH 16

static struct gnutls functions;
static bool found;


static bool
gnutls_find (void *library,
             const char *name,
             void *function)
{
  void *const address = dlsym (library, name);

  memcpy (function, &address, sizeof (address));
  return NULL != address;
}


#define FIND(type, name, parameters) \
  && gnutls_find (library, "gnutls_" #name, &functions.name)


/* A library's handle finds what it depends on, too.  It is never closed: it
   counts one more user of a library that we are linked with. */
static void
gnutls_load (void)
{
  Dl_info info;
  void *library;

  if ( (MHD_YES != MHD_is_feature_supported (MHD_FEATURE_TLS)) ||
       (0 == dladdr ((void *) (uintptr_t) &MHD_start_daemon, &info)) )
    return;
  library = dlopen (info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  found = (NULL != library) GNUTLS_FUNCTIONS (FIND);
}


const struct gnutls *
gnutls_functions (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  (void) pthread_once (&once, &gnutls_load);
  return found ? &functions : NULL;
}


/* Any thread.  Whether a daemon can have TLS. */
int
pymhd_tls_supported (void)
{
  return NULL != gnutls_functions ();
}


/* Any thread.  GnuTLS's words for an error that a check has returned. */
const char *
pymhd_tls_error (int error)
{
  return gnutls_functions ()->strerror (error);
}


static struct gnutls_datum
gnutls_datum (const char *text)
{
  return (struct gnutls_datum) {
    (const unsigned char *) text, (unsigned int) strlen (text)
  };
}


/* Any thread.  Whether the key can be read and belongs to the certificate: 0,
   or GnuTLS's negative error.  libmicrohttpd does the same at its start. */
int
pymhd_tls_check_pair (const char *cert,
                      const char *key,
                      const char *password)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const struct gnutls_datum certs = gnutls_datum (cert);
  const struct gnutls_datum keys = gnutls_datum (key);
  void *credentials;
  int error = gnutls->certificate_allocate_credentials (&credentials);

  if (0 > error)
    return error;
  error = gnutls->certificate_set_x509_key_mem2 (credentials, &certs, &keys,
                                                 GNUTLS_PEM, password, 0);
  gnutls->certificate_free_credentials (credentials);
  return error;
}


/* Any thread.  When the certificates are valid, all of them: seconds since 1970.  0, or
   GnuTLS's negative error. */
int
pymhd_tls_validity (const char *cert,
                    int64_t *not_before,
                    int64_t *not_after)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const struct gnutls_datum pem = gnutls_datum (cert);
  void *certs[CHAIN_LENGTH];
  unsigned int count = CHAIN_LENGTH;
  unsigned int i;
  const int error = gnutls->x509_crt_list_import (certs, &count, &pem, GNUTLS_PEM, 0);

  if (0 > error)
    return error;
  *not_before = INT64_MIN;
  *not_after = INT64_MAX;
  for (i = 0; i < count; i++)
  {
    const int64_t begin = gnutls->x509_crt_get_activation_time (certs[i]);
    const int64_t end = gnutls->x509_crt_get_expiration_time (certs[i]);

    if (begin > *not_before)
      *not_before = begin;
    if (end < *not_after)
      *not_after = end;
    gnutls->x509_crt_deinit (certs[i]);
  }
  return 0;
}


/* Any thread.  How many certificates of authorities there are, or GnuTLS's
   negative error. */
int
pymhd_tls_check_ca (const char *ca)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const struct gnutls_datum cas = gnutls_datum (ca);
  void *credentials;
  int count = gnutls->certificate_allocate_credentials (&credentials);

  if (0 > count)
    return count;
  count = gnutls->certificate_set_x509_trust_mem (credentials, &cas, GNUTLS_PEM);
  gnutls->certificate_free_credentials (credentials);
  return count;
}


/* Whether there is a cipher suite for one of the versions.  Without the handshake
   of every client would fail. */
static bool
gnutls_has_suite (void *cache)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  unsigned int index;
  unsigned int suite;
  int error;

  for (index = 0;; index++)
  {
    error = gnutls->priority_get_cipher_suite_index (cache, index, &suite);
    if (0 <= error)
      return true;
    if (GNUTLS_REQUESTED_DATA_NOT_AVAILABLE == error)
      return false;             /* the end of the list */
  }
}


/* Any thread; no Python inside.  PYMHD_PRIORITIES_GOOD; PYMHD_PRIORITIES_EMPTY if
   they leave nothing to be used; else where GnuTLS does not understand them. */
int
pymhd_tls_check_priorities (const char *priorities)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const char *at = priorities;
  void *cache;
  bool usable;

  if (0 > gnutls->priority_init (&cache, priorities, &at))
    return '\0' == *at ? PYMHD_PRIORITIES_EMPTY : (int) (at - priorities);
  usable = gnutls_has_suite (cache);
  gnutls->priority_deinit (cache);
  return usable ? PYMHD_PRIORITIES_GOOD : PYMHD_PRIORITIES_EMPTY;
}


void *
priorities_new (const char *priorities)
{
  void *cache;

  return 0 > gnutls_functions ()->priority_init (&cache, priorities, NULL)
         ? NULL : cache;
}


void
priorities_free (void *cache)
{
  if (NULL != cache)
    gnutls_functions ()->priority_deinit (cache);
}
