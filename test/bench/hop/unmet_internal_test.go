package main

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatIsNotMetHasItsReason(t *testing.T) {
	t.Parallel()
	missed, reached := verdict{what: "CPU for each sealed 1 KiB request, 32 connections", ratio: 1.1}, verdict{what: "memory of an open stream", ratio: 1}
	if text := unmet([]verdict{missed, reached}); !strings.Contains(text, "- "+missed.what+": The key agreement") || strings.Contains(text, reached.what) {
		t.Error(text)
	}
	if text := unmet([]verdict{reached}); text != "" {
		t.Error(text)
	}
}

// A verdict that got another name would lose its reason.
func TestEachReasonBelongsToAVerdict(t *testing.T) {
	t.Parallel()
	r := results{plan: quick(), chats: map[int]map[string][]round{1: {nameNginx: {{}}}}, events: map[string]eventTimes{nameNginx: {delay: []float64{1}}}}
	all := append(r.verdicts(), verdict{what: "1 MiB of turns, read and sealed, to its floor"}) // of test/bench/crypto.sh
	for _, reason := range reasons() {
		if !slices.ContainsFunc(all, func(v verdict) bool { return strings.HasPrefix(v.what, reason.what) }) {
			t.Errorf("nothing that is measured begins with %q", reason.what)
		}
	}
}
