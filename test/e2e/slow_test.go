package e2e_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sealcar/enclave"
)

// A slow body is told apart from one that broke off: SDKs send it again.
func TestT74_ASlowBodyOfAChatIsATimeout(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey, "timeouts: {read_body: 50ms}\n")
	base, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", base.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST "+base.Path+"/chat/completions HTTP/1.1\r\nHost: "+base.Host+"\r\nAuthorization: Bearer "+p.key+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"request_body_timeout"`) || resp.Header.Get("X-Should-Retry") == "false" {
		t.Errorf("got %d %v %s, %v", resp.StatusCode, resp.Header, body, err)
	}
	if p.received("messages") || p.calls.count(chats) > 0 {
		t.Error("something of the request reached the upstream")
	}
}
