/* SPDX-License-Identifier: MIT
 *
 * What we use of GnuTLS: the very copy that libmicrohttpd has loaded, found at
 * run time.  These few functions have been the same since GnuTLS 3.4, so
 * neither its header nor its library is needed where pymhd is built.
 */
#pragma once

#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* gnutls_datum_t */
struct gnutls_datum
{
  const unsigned char *data;
  unsigned int size;
};

typedef ssize_t (*gnutls_pull) (void *transport, void *data, size_t size);
typedef ssize_t (*gnutls_push) (void *transport, const void *data, size_t size);
typedef ssize_t (*gnutls_vec_push) (void *transport, const struct iovec *pieces,
                                    int count);
typedef int (*gnutls_hook) (void *session, unsigned int type, unsigned int when,
                            unsigned int incoming,
                            const struct gnutls_datum *message);

/* Return type, name without "gnutls_", parameters. */
#define GNUTLS_FUNCTIONS(F) \
  F (ssize_t, record_recv, (void *session, void *data, size_t size)) \
  F (ssize_t, record_send, (void *session, const void *data, size_t size)) \
  F (size_t, record_check_pending, (void *session)) \
  F (int, bye, (void *session, int how)) \
  F (int, init, (void **session, unsigned int flags)) \
  F (void, deinit, (void *session)) \
  F (int, priority_set, (void *session, void *cache)) \
  F (int, credentials_get, (void *session, int type, void **credentials)) \
  F (int, credentials_set, (void *session, int type, void *credentials)) \
  F (int, handshake, (void *session)) \
  F (int, handshake_get_last_in, (void *session)) \
  F (void, handshake_set_hook_function, \
     (void *session, unsigned int type, int when, gnutls_hook hook)) \
  F (int, alert_get, (void *session)) \
  F (const char *, alert_get_name, (int description)) \
  F (int, alert_send, (void *session, int level, int description)) \
  F (void, transport_set_ptr, (void *session, void *transport)) \
  F (void *, transport_get_ptr, (void *session)) \
  F (void, transport_set_pull_function, (void *session, gnutls_pull pull)) \
  F (void, transport_set_push_function, (void *session, gnutls_push push)) \
  F (void, transport_set_vec_push_function, \
     (void *session, gnutls_vec_push push)) \
  F (void, certificate_server_set_request, (void *session, int request)) \
  F (void, session_set_verify_cert, \
     (void *session, const char *hostname, unsigned int flags)) \
  F (unsigned int, session_get_verify_cert_status, (void *session)) \
  F (const struct gnutls_datum *, certificate_get_peers, \
     (void *session, unsigned int *count)) \
  F (int, protocol_get_version, (void *session)) \
  F (const char *, protocol_get_name, (int version)) \
  F (int, cipher_get, (void *session)) \
  F (const char *, cipher_get_name, (int cipher)) \
  F (int, certificate_allocate_credentials, (void **credentials)) \
  F (void, certificate_free_credentials, (void *credentials)) \
  F (int, certificate_set_x509_key_mem2, \
     (void *credentials, const struct gnutls_datum *cert, \
      const struct gnutls_datum *key, int format, const char *password, \
      unsigned int flags)) \
  F (int, certificate_set_x509_trust_mem, \
     (void *credentials, const struct gnutls_datum *ca, int format)) \
  F (int, x509_crt_list_import, \
     (void **certs, unsigned int *count, const struct gnutls_datum *pem, int format, \
      unsigned int flags)) \
  F (void, x509_crt_deinit, (void *cert)) \
  F (time_t, x509_crt_get_activation_time, (void *cert)) \
  F (time_t, x509_crt_get_expiration_time, (void *cert)) \
  F (int, priority_init, (void **cache, const char *text, const char **error)) \
  F (void, priority_deinit, (void *cache)) \
  F (int, priority_get_cipher_suite_index, \
     (void *cache, unsigned int index, unsigned int *suite)) \
  F (int, error_is_fatal, (int error)) \
  F (int, error_to_alert, (int error, int *level)) \
  F (const char *, strerror, (int error))

#define GNUTLS_MEMBER(type, name, parameters) type (*name) parameters;

struct gnutls
{
  GNUTLS_FUNCTIONS (GNUTLS_MEMBER)
};

/* The numbers of theirs that we know. */
enum
{
  GNUTLS_UNSUPPORTED_VERSION = -8,
  GNUTLS_WARNING_ALERT_RECEIVED = -16,
  GNUTLS_AGAIN = -28,
  GNUTLS_REHANDSHAKE = -37,
  GNUTLS_INTERRUPTED = -52,
  GNUTLS_REQUESTED_DATA_NOT_AVAILABLE = -56,
  GNUTLS_DISALLOWED_NAME = -82,
  GNUTLS_NO_CIPHER_SUITES = -87,
  GNUTLS_SERVER_NONBLOCK = 1 | (1 << 3),
  GNUTLS_CRD_CERTIFICATE = 1,
  GNUTLS_SHUT_WRITING = 1,
  GNUTLS_ALERT_WARNING = 1,
  GNUTLS_ALERT_FATAL = 2,
  GNUTLS_ALERT_NO_RENEGOTIATION = 100,
  GNUTLS_REQUIRE_CERTIFICATE = 2,
  GNUTLS_HANDSHAKE_CERTIFICATE = 11,
  GNUTLS_HANDSHAKE_FINISHED = 20,
  GNUTLS_HOOK_POST = 1,
  GNUTLS_TLS1_3 = 5,
  GNUTLS_PEM = 1
};

/* Any thread.  Priorities that pymhd_tls_check_priorities() has found good, for
   GnuTLS's sessions; NULL if memory is short. */
void *
priorities_new (const char *priorities);

/* When no session uses them any more; NULL does nothing. */
void
priorities_free (void *cache);

/* NULL if libmicrohttpd has no TLS, or a GnuTLS without these functions.  Any
   thread. */
const struct gnutls *
gnutls_functions (void);
