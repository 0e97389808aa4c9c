export interface Config {
  whydown: {
    /** Where this backend reaches Whydown, `http://whydown.internal:8000`. */
    baseUrl: string;

    /** What links to incidents start with, where browsers reach Whydown elsewhere than this backend does: WHYDOWN_PUBLIC_URL. */
    publicUrl?: string;

    /**
     * The value of WHYDOWN_API_TOKEN. It never leaves the backend.
     * @visibility secret
     */
    apiToken?: string;

    /**
     * The value of WHYDOWN_WEBHOOK_TOKEN, which senders must show to /api/whydown/webhook/alert. Unset: that route is closed.
     * @visibility secret
     */
    webhookToken?: string;
  };
}
