package sidecar_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/sidecar"
)

func TestRepliesInClearAreTreatedAsTheRouteSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*config.Route)
		want ark.ClearReply
	}{
		"default": {func(*config.Route) {}, ark.ClearReply{}},
		"refuse":  {func(r *config.Route) { r.Replies.Clear = "refuse" }, ark.ClearReply{Refuse: true}},
		"strict":  {func(r *config.Route) { r.Strict = true }, ark.ClearReply{Refuse: true}},
		"filter":  {func(r *config.Route) { r.Replies.UnsafeContentFilterText = true }, ark.ClearReply{UnsafeContentFilterText: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			c.StateDir = t.TempDir()
			r := config.NewRoute("ark", "ark.example.com")
			test.edit(&r)
			route, err := sidecar.NewRoute(c, r, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			defer route.Close()
			if got := route.Endpoint().Transport.ClearReply; got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAnExceptionThatMayBeAMistakeIsInTheLog(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.StateDir = t.TempDir()
	r := config.NewRoute("ark", "ark.example.com")
	r.ResidueExceptions = []config.Exception{{Path: "tools", Residue: "refuse"}, {Path: "metdata", Residue: "report"}}
	var log bytes.Buffer
	route, err := sidecar.NewRoute(c, r, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	route.Close()
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"warn"`) || !strings.Contains(text, "metdata") {
		t.Errorf("logged %q, want one warning that names metdata", text)
	}
	r.ResidueExceptions = []config.Exception{{Path: "model", Residue: "report"}}
	if _, err := sidecar.NewRoute(c, r, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), `"model"`) {
		t.Errorf("got %v, want an error that names model", err)
	}
}
