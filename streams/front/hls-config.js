/* How hls.js plays: how close to the live edge, and how stubbornly it asks again. */

/** Also 4xx: a playlist or a segment may be missing for a moment while an encoder is replaced. */
function again(config, count, isTimeout, response, retry) {
  const status = response?.code ?? 0;
  return retry || (count < config.maxNumRetry && (status === 0 || status >= 400));
}

function policy(firstByte, whole, retries) {
  const errorRetry = {
    maxNumRetry: retries,
    retryDelayMs: 500,
    maxRetryDelayMs: 4000,
    backoff: "exponential",
    shouldRetry: again,
  };
  const timeoutRetry = { ...errorRetry, maxNumRetry: 3, retryDelayMs: 0 };
  return {
    default: { maxTimeToFirstByteMs: firstByte, maxLoadTimeMs: whole, errorRetry, timeoutRetry },
  };
}

export const HLS_CONFIG = {
  // Three segments of 2 s behind the edge, as RFC 8216 section 6.3.3 advises: at 2.5 the buffer ran
  // down to 0.1 s when the machine was busy. A stall moves the player another second back.
  liveSyncDurationCount: 3,
  maxLiveSyncPlaybackRate: 1.05,
  backBufferLength: 60,
  maxBufferLength: 20,
  capLevelToPlayerSize: true,
  fragLoadPolicy: policy(8000, 20_000, 6),
  playlistLoadPolicy: policy(5000, 10_000, 6),
  manifestLoadPolicy: policy(5000, 10_000, 3),
};
