#define MHD_RF_HTTP_1_0_COMPATIBLE_STRICT ...
#define MHD_RF_HTTP_1_0_SERVER ...
#define MHD_RF_SEND_KEEP_ALIVE_HEADER ...

struct MHD_Response *
MHD_create_response_from_buffer_with_free_callback_cls (
  size_t size,
  void *buffer,
  MHD_ContentReaderFreeCallback crfc,
  void *crfc_cls);

size_t
MHD_get_reason_phrase_len_for (unsigned int code);
