// Package alerts runs the alerts of charts/sealcar by Prometheus' own engine: series
// that are as they are when all is well and when something is not (alerts.yaml), and
// which alerts fire when. Each alert has to fire in some of them, and at each moment
// that is looked at no other may.
//
// Start at alerts.yaml, which is a file for `promtool test rules` but for the rules,
// which are rendered. promtool itself brings in every cloud that Prometheus can ask
// for its targets, and takes four times as long to build. That the series are those of
// the real /metrics is held by test/e2e. A module of its own keeps Prometheus out of
// sealcar's requirements.
package alerts
