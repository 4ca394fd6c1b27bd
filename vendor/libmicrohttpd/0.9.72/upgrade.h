enum MHD_UpgradeAction
{
  MHD_UPGRADE_ACTION_CLOSE,
  MHD_UPGRADE_ACTION_CORK_ON,
  MHD_UPGRADE_ACTION_CORK_OFF,
  ...
};

typedef void
(*MHD_UpgradeHandler) (void *cls,
                       struct MHD_Connection *connection,
                       void *con_cls,
                       const char *extra_in,
                       size_t extra_in_size,
                       MHD_socket sock,
                       struct MHD_UpgradeResponseHandle *urh);

enum MHD_Result
MHD_upgrade_action (struct MHD_UpgradeResponseHandle *urh,
                    enum MHD_UpgradeAction action,
                    ...);

struct MHD_Response *
MHD_create_response_for_upgrade (MHD_UpgradeHandler upgrade_handler,
                                 void *upgrade_handler_cls);
