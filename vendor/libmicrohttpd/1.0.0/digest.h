#define MHD_SHA256_DIGEST_SIZE ...
#define MHD_SHA512_256_DIGEST_SIZE ...
#define MHD_DIGEST_AUTH_ALGO3_NON_SESSION ...
#define MHD_DIGEST_AUTH_ALGO3_SESSION ...
#define MHD_DIGEST_AUTH_INVALID_NC_VALUE ...

enum MHD_DigestBaseAlgo
{
  MHD_DIGEST_BASE_ALGO_INVALID,
  MHD_DIGEST_BASE_ALGO_MD5,
  MHD_DIGEST_BASE_ALGO_SHA256,
  MHD_DIGEST_BASE_ALGO_SHA512_256,
  ...
};

enum MHD_DigestAuthAlgo3
{
  MHD_DIGEST_AUTH_ALGO3_INVALID,
  MHD_DIGEST_AUTH_ALGO3_MD5,
  MHD_DIGEST_AUTH_ALGO3_MD5_SESSION,
  MHD_DIGEST_AUTH_ALGO3_SHA256,
  MHD_DIGEST_AUTH_ALGO3_SHA256_SESSION,
  MHD_DIGEST_AUTH_ALGO3_SHA512_256,
  MHD_DIGEST_AUTH_ALGO3_SHA512_256_SESSION,
  ...
};

enum MHD_DigestAuthMultiAlgo3
{
  MHD_DIGEST_AUTH_MULT_ALGO3_INVALID,
  MHD_DIGEST_AUTH_MULT_ALGO3_MD5,
  MHD_DIGEST_AUTH_MULT_ALGO3_MD5_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA256,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA256_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA512_256,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA512_256_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA_ANY_NON_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_ANY_NON_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA_ANY_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_ANY_SESSION,
  MHD_DIGEST_AUTH_MULT_ALGO3_MD5_ANY,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA256_ANY,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA512_256_ANY,
  MHD_DIGEST_AUTH_MULT_ALGO3_SHA_ANY_ANY,
  MHD_DIGEST_AUTH_MULT_ALGO3_ANY,
  ...
};

enum MHD_DigestAuthUsernameType
{
  MHD_DIGEST_AUTH_UNAME_TYPE_MISSING,
  MHD_DIGEST_AUTH_UNAME_TYPE_STANDARD,
  MHD_DIGEST_AUTH_UNAME_TYPE_EXTENDED,
  MHD_DIGEST_AUTH_UNAME_TYPE_USERHASH,
  MHD_DIGEST_AUTH_UNAME_TYPE_INVALID,
  ...
};

enum MHD_DigestAuthQOP
{
  MHD_DIGEST_AUTH_QOP_INVALID,
  MHD_DIGEST_AUTH_QOP_NONE,
  MHD_DIGEST_AUTH_QOP_AUTH,
  MHD_DIGEST_AUTH_QOP_AUTH_INT,
  ...
};

enum MHD_DigestAuthMultiQOP
{
  MHD_DIGEST_AUTH_MULT_QOP_INVALID,
  MHD_DIGEST_AUTH_MULT_QOP_NONE,
  MHD_DIGEST_AUTH_MULT_QOP_AUTH,
  MHD_DIGEST_AUTH_MULT_QOP_AUTH_INT,
  MHD_DIGEST_AUTH_MULT_QOP_ANY_NON_INT,
  MHD_DIGEST_AUTH_MULT_QOP_AUTH_ANY,
  ...
};

enum MHD_DigestAuthResult
{
  MHD_DAUTH_OK,
  MHD_DAUTH_ERROR,
  MHD_DAUTH_WRONG_HEADER,
  MHD_DAUTH_WRONG_USERNAME,
  MHD_DAUTH_WRONG_REALM,
  MHD_DAUTH_WRONG_URI,
  MHD_DAUTH_WRONG_QOP,
  MHD_DAUTH_WRONG_ALGO,
  MHD_DAUTH_TOO_LARGE,
  MHD_DAUTH_NONCE_STALE,
  MHD_DAUTH_NONCE_OTHER_COND,
  MHD_DAUTH_NONCE_WRONG,
  MHD_DAUTH_RESPONSE_WRONG,
  ...
};

struct MHD_DigestAuthInfo
{
  enum MHD_DigestAuthAlgo3 algo3;
  enum MHD_DigestAuthUsernameType uname_type;
  char *username;
  size_t username_len;
  char *userhash_hex;
  size_t userhash_hex_len;
  uint8_t *userhash_bin;
  char *opaque;
  size_t opaque_len;
  char *realm;
  size_t realm_len;
  enum MHD_DigestAuthQOP qop;
  size_t cnonce_len;
  uint32_t nc;
  ...;
};

struct MHD_DigestAuthUsernameInfo
{
  enum MHD_DigestAuthAlgo3 algo3;
  enum MHD_DigestAuthUsernameType uname_type;
  char *username;
  size_t username_len;
  char *userhash_hex;
  size_t userhash_hex_len;
  uint8_t *userhash_bin;
  ...;
};

size_t
MHD_digest_get_hash_size (enum MHD_DigestAuthAlgo3 algo3);

enum MHD_Result
MHD_digest_auth_calc_userhash (enum MHD_DigestAuthAlgo3 algo3,
                               const char *username,
                               const char *realm,
                               void *userhash_bin,
                               size_t bin_buf_size);

enum MHD_Result
MHD_digest_auth_calc_userhash_hex (enum MHD_DigestAuthAlgo3 algo3,
                                   const char *username,
                                   const char *realm,
                                   char *userhash_hex,
                                   size_t hex_buf_size);

enum MHD_Result
MHD_digest_auth_calc_userdigest (enum MHD_DigestAuthAlgo3 algo3,
                                 const char *username,
                                 const char *realm,
                                 const char *password,
                                 void *userdigest_bin,
                                 size_t bin_buf_size);

struct MHD_DigestAuthInfo *
MHD_digest_auth_get_request_info3 (struct MHD_Connection *connection);

struct MHD_DigestAuthUsernameInfo *
MHD_digest_auth_get_username3 (struct MHD_Connection *connection);

enum MHD_DigestAuthResult
MHD_digest_auth_check3 (struct MHD_Connection *connection,
                        const char *realm,
                        const char *username,
                        const char *password,
                        unsigned int nonce_timeout,
                        uint32_t max_nc,
                        enum MHD_DigestAuthMultiQOP mqop,
                        enum MHD_DigestAuthMultiAlgo3 malgo3);

enum MHD_DigestAuthResult
MHD_digest_auth_check_digest3 (struct MHD_Connection *connection,
                               const char *realm,
                               const char *username,
                               const void *userdigest,
                               size_t userdigest_size,
                               unsigned int nonce_timeout,
                               uint32_t max_nc,
                               enum MHD_DigestAuthMultiQOP mqop,
                               enum MHD_DigestAuthMultiAlgo3 malgo3);

enum MHD_Result
MHD_queue_auth_required_response3 (struct MHD_Connection *connection,
                                   const char *realm,
                                   const char *opaque,
                                   const char *domain,
                                   struct MHD_Response *response,
                                   int signal_stale,
                                   enum MHD_DigestAuthMultiQOP mqop,
                                   enum MHD_DigestAuthMultiAlgo3 algo,
                                   int userhash_support,
                                   int prefer_utf8);
