/* SPDX-License-Identifier: MIT
 *
 * Why a TLS handshake has failed: GnuTLS has told libmicrohttpd, which has not told
 * us.
 *
 * If the client's first message was not accepted, GnuTLS is given it once more, and
 * says the same again.  That costs little, since it has not come to computing with
 * keys.  Later there is not much that can be wrong, and GnuTLS can be asked for it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "transport/blame.h"
#include "base/buffer.h"
#include "transport/gnutls.h"
#include "transport/handshake.h"

#define LENGTH(array) (sizeof (array) / sizeof (*(array)))

/* Bits of gnutls_certificate_status_t; what it is before anything was verified. */
#define CERT_REVOKED (1u << 5)
#define CERT_SIGNER_NOT_FOUND (1u << 6)
#define CERT_SIGNER_NOT_CA (1u << 7)
#define CERT_INSECURE_ALGORITHM (1u << 8)
#define CERT_NOT_ACTIVATED (1u << 9)
#define CERT_EXPIRED (1u << 10)
#define CERT_UNVERIFIED ((unsigned int) -1)

/* RFC 8446, section 6.2 */
enum
{
  UNEXPECTED_MESSAGE = 10,
  BAD_RECORD_MAC = 20,
  HANDSHAKE_FAILURE = 40,
  BAD_CERTIFICATE = 42,
  CERTIFICATE_REVOKED = 44,
  CERTIFICATE_EXPIRED = 45,
  CERTIFICATE_UNKNOWN = 46,
  UNKNOWN_CA = 48,
  DECRYPT_ERROR = 51,
  CERTIFICATE_REQUIRED = 116
};

/* What is wrong with a client's certificate. */
static const struct
{
  unsigned int status;
  struct blame blame;
} verdicts[] = {
  { CERT_REVOKED,
    { "its certificate has been revoked", CERTIFICATE_REVOKED } },
  { CERT_SIGNER_NOT_FOUND | CERT_SIGNER_NOT_CA,
    { "its certificate is not of an authority in client_ca", UNKNOWN_CA } },
  { CERT_EXPIRED,
    { "its certificate has expired", CERTIFICATE_EXPIRED } },
  { CERT_NOT_ACTIVATED,
    { "its certificate is not valid yet: compare the clocks", BAD_CERTIFICATE } },
  { CERT_INSECURE_ALGORITHM,
    { "its certificate is signed with too weak an algorithm", BAD_CERTIFICATE } },
  { ~0u,
    { "its certificate is not valid", BAD_CERTIFICATE } },
};

/* Errors of GnuTLS's that it has no words for from which somebody would learn what
   to do. */
static const struct
{
  int error;
  const char *reason;
} explained[] = {
  { GNUTLS_UNSUPPORTED_VERSION,
    "it offers no version of TLS that priorities= allows" },
  { GNUTLS_NO_CIPHER_SUITES,
    "it offers no cipher suite, group or signature that priorities= allows and "
    "that fits cert" },
  { GNUTLS_DISALLOWED_NAME,
    "its server name is no DNS name: neither a port nor an IPv6 address belongs "
    "there" },
};

/* Alerts that clients send. */
static const struct
{
  int alert;
  const char *reason;
} complaints[] = {
  { BAD_CERTIFICATE, "it says that our certificate is bad" },
  { CERTIFICATE_EXPIRED, "it says that our certificate has expired: renew cert" },
  { CERTIFICATE_UNKNOWN,
    "it does not accept our certificate: cert must name the host that the client "
    "asks for, and lead to an authority that it trusts" },
  { UNKNOWN_CA,
    "it does not know the authority of our certificate: give it that, and cert "
    "those in between" },
  { HANDSHAKE_FAILURE, "it says that it has nothing in common with us" },
};


/* gnutls_pull_func: the client's first message once more. */
static ssize_t
blame_pull (void *transport,
            void *data,
            size_t size)
{
  struct handshake *const handshake = transport;
  const size_t left = handshake->hello.size - handshake->replayed;

  if (0 == left)
  {
    errno = EAGAIN;
    return -1;
  }
  if (size > left)
    size = left;
  memcpy (data, handshake->hello.at + handshake->replayed, size);
  handshake->replayed += size;
  return (ssize_t) size;
}


/* gnutls_push_func: nobody is to hear an answer. */
static ssize_t
blame_push (void *transport,
            const void *data,
            size_t size)
{
  (void) transport;
  (void) data;
  (void) size;
  errno = EAGAIN;
  return -1;
}


/* Whether it begins with a method, where GnuTLS looks for the head of a record: of
   that it has read 5 bytes, and no more. */
static bool
blame_is_http (const struct buffer *hello)
{
  size_t i = 0;

  while ( (i < hello->size) &&
          ('A' <= hello->at[i]) &&
          ('Z' >= hello->at[i]) )
    i++;
  return (5 <= hello->size) &&
         (3 <= i) &&
         ( (5 <= i) || (' ' == hello->at[i]) );
}


/* What GnuTLS says of the client's first message, in a session like that of
   libmicrohttpd's, which says nothing any more.  0 or more if it has no objection
   now, or there is no memory. */
static int
blame_judge_hello (struct handshake *handshake)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  void *credentials;
  void *session;
  int error = 0;

  if ( (NULL == handshake->all->priorities) ||
       (0 > gnutls->credentials_get (handshake->session, GNUTLS_CRD_CERTIFICATE,
                                     &credentials)) ||
       (0 > gnutls->init (&session, GNUTLS_SERVER_NONBLOCK)) )
    return 0;
  gnutls->transport_set_ptr (session, handshake);
  gnutls->transport_set_pull_function (session, &blame_pull);
  gnutls->transport_set_push_function (session, &blame_push);
  if ( (0 <= gnutls->priority_set (session, handshake->all->priorities)) &&
       (0 <= gnutls->credentials_set (session, GNUTLS_CRD_CERTIFICATE, credentials)) )
    error = gnutls->handshake (session);
  gnutls->deinit (session);
  return gnutls->error_is_fatal (error) ? error : 0;
}


/* The client's first message was not accepted. */
static void
blame_find_in_hello (struct handshake *handshake,
                     struct blame *blame)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  int error;
  int level;
  size_t i;

  *blame = (struct blame) { "what it sends is not TLS", UNEXPECTED_MESSAGE };
  if (0x16 != handshake->hello.at[0])
    return;
  error = blame_judge_hello (handshake);
  *blame = (struct blame) { "its first message is not valid", HANDSHAKE_FAILURE };
  if (0 == error)
    return;
  blame->alert = gnutls->error_to_alert (error, &level);
  blame->reason = gnutls->strerror (error);
  for (i = 0; i < LENGTH (explained); i++)
    if (error == explained[i].error)
      blame->reason = explained[i].reason;
}


/* The client's certificate, or what comes behind it, was not accepted. */
static void
blame_find_later (struct handshake *handshake,
                  struct blame *blame)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const unsigned int status
    = gnutls->session_get_verify_cert_status (handshake->session);
  const bool tls13
    = GNUTLS_TLS1_3 <= gnutls->protocol_get_version (handshake->session);
  unsigned int count = 0;
  size_t i = 0;

  if ( (handshake->all->client_ca) &&
       (GNUTLS_HANDSHAKE_CERTIFICATE
        == gnutls->handshake_get_last_in (handshake->session)) &&
       (NULL == gnutls->certificate_get_peers (handshake->session, &count)) )
  {
    blame->reason = "it has no certificate, which client_ca requires";
    blame->alert = tls13 ? CERTIFICATE_REQUIRED : HANDSHAKE_FAILURE;
  }
  else if ( (handshake->all->client_ca) &&
            (CERT_UNVERIFIED != status) &&
            (0 != status) )
  {
    while (0 == (status & verdicts[i].status))
      i++;
    *blame = verdicts[i].blame;
  }
  else
  {
    blame->reason = "what it sends cannot be decrypted or verified";
    blame->alert = tls13 ? BAD_RECORD_MAC : DECRYPT_ERROR;
  }
}


static void
blame_find_complaint (int alert,
                      struct blame *blame)
{
  const char *const name = gnutls_functions ()->alert_get_name (alert);
  size_t i;

  blame->reason = NULL == name ? "it has sent an unknown alert" : name;
  for (i = 0; i < LENGTH (complaints); i++)
    if (alert == complaints[i].alert)
      blame->reason = complaints[i].reason;
}


/* The alert that the client has sent, 0 if there is none.  In TLS 1.3 OpenSSL's clients
   do not encrypt the one for our certificate, so that GnuTLS does not know it. */
static int
blame_received_alert (const struct handshake *handshake)
{
  const unsigned char fatal[] = { 0x15, 3, 3, 0, 2, 2 };

  if ( (handshake->answered) &&
       (0 == memcmp (handshake->last, fatal, sizeof (fatal))) )
    return handshake->last[sizeof (fatal)];
  return gnutls_functions ()->alert_get (handshake->session);
}


void
blame_find (struct handshake *handshake,
            struct blame *blame)
{
  const int alert = blame_received_alert (handshake);

  *blame = (struct blame) { NULL, BLAME_NO_ALERT };
  if (0 != alert)
    blame_find_complaint (alert, blame);
  else if (0 != handshake->error)
    blame->reason = strerror (handshake->error);
  else if (NULL != atomic_load (&handshake->cut))
    blame->reason = atomic_load (&handshake->cut);
  else if (handshake->ended)
    blame->reason = "it has left in the middle";
  else if (handshake->answered)
    blame_find_later (handshake, blame);
  else if (blame_is_http (&handshake->hello))
    *blame = (struct blame) { "it speaks HTTP without TLS: its URL must begin with "
                              "https://", BLAME_HTTP };
  else
    blame_find_in_hello (handshake, blame);
}


static const char plain_answer[] =
  "HTTP/1.1 400 Bad Request\r\n"
  "Content-Type: text/plain; charset=utf-8\r\n"
  "Content-Length: 53\r\n"
  "Connection: close\r\n"
  "\r\n"
  "This port speaks TLS: use https:// instead of http://";


void
blame_tell (struct handshake *handshake,
            const struct blame *blame)
{
  char rest[4096];
  int i;

  if (BLAME_NO_ALERT == blame->alert)
    return;
  if (BLAME_HTTP == blame->alert)
    (void) send (handshake->fd, plain_answer, sizeof (plain_answer) - 1,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
  else
    (void) gnutls_functions ()->alert_send (handshake->session, GNUTLS_ALERT_FATAL,
                                            blame->alert);
  /* A close with unread input would be an RST, which destroys what we have said. */
  for (i = 0; i < 16; i++)
    if (0 >= recv (handshake->fd, rest, sizeof (rest), MSG_DONTWAIT))
      break;
}
