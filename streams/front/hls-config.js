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
  // Two and a half segments of 2 s behind the edge: 2 stalled on slow links, 3 costs a second more.
  // Every stall moves the player a second back, so a bad line finds its own distance.
  liveSyncDurationCount: 2.5,
  maxLiveSyncPlaybackRate: 1.05,
  lowLatencyMode: true,
  backBufferLength: 60,
  maxBufferLength: 20,
  capLevelToPlayerSize: true,
  fragLoadPolicy: policy(8000, 20_000, 6),
  playlistLoadPolicy: policy(5000, 10_000, 6),
  manifestLoadPolicy: policy(5000, 10_000, 3),
};
