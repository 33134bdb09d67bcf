package appenv_test

import (
	"slices"
	"testing"

	"sealcar/appenv"
)

func TestProxiesThatAreReplacedAreNamedWithoutCredentials(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"HTTP_PROXY": proxyURL, "HTTPS_PROXY": "http://user:secret@proxy.example:3128", "https_proxy": "http://user:secret@proxy.example:3128",
		"ALL_PROXY": "socks5://socks.example:1080", "all_proxy": "user:secret@odd",
	}
	want := []appenv.Var{{Name: "HTTPS_PROXY", Value: "proxy.example:3128"}, {Name: "ALL_PROXY", Value: "socks.example:1080"}, {Name: "all_proxy", Value: "what it says"}}
	if got := appenv.Replaced(appenv.Settings{ProxyURL: proxyURL}, getenv(environ)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := appenv.Replaced(appenv.Settings{ProxyURL: proxyURL}, getenv(nil)); len(got) != 0 {
		t.Errorf("nothing is replaced, got %v", got)
	}
}
