typedef int... socklen_t;
typedef int... off_t;
typedef struct { ...; } fd_set;
typedef struct { ...; } va_list;
struct sockaddr;

typedef int... MHD_socket;

struct MHD_Daemon;
struct MHD_Connection;
struct MHD_Response;
struct MHD_PostProcessor;
struct MHD_UpgradeResponseHandle;

#define MHD_VERSION ...
#define MHD_INVALID_SOCKET ...
#define MHD_SIZE_UNKNOWN ...
#define MHD_ICY_FLAG ...

enum MHD_Result { MHD_NO, MHD_YES, ... };

enum MHD_ValueKind
{
  MHD_RESPONSE_HEADER_KIND,
  MHD_HEADER_KIND,
  MHD_COOKIE_KIND,
  MHD_POSTDATA_KIND,
  MHD_GET_ARGUMENT_KIND,
  MHD_FOOTER_KIND,
  ...
};

typedef enum MHD_Result
(*MHD_KeyValueIterator) (void *cls,
                         enum MHD_ValueKind kind,
                         const char *key,
                         const char *value);

typedef enum MHD_Result
(*MHD_KeyValueIteratorN) (void *cls,
                          enum MHD_ValueKind kind,
                          const char *key,
                          size_t key_size,
                          const char *value,
                          size_t value_size);
