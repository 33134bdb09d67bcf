package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"sealcar/webhook"
)

// answer is an AdmissionReview as the API server reads it.
type answer struct {
	APIVersion, Kind string
	Response         struct {
		UID       string
		Allowed   bool
		PatchType string
		Patch     []byte
		Warnings  []string
		Status    struct {
			Code            int
			Reason, Message string
		}
	}
}

// asked is a review of a pod that is to be created.
func asked(namespace, pod string) string {
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","namespace":%q,"operation":"CREATE",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"dryRun":true,"object":%s}}`, namespace, pod)
}

func post(t *testing.T, contentType, body string, log io.Writer) *httptest.ResponseRecorder {
	t.Helper()
	h := webhook.NewHandler(webhook.Options{Settings: func() *webhook.Settings { return settings(t) }, Log: zerolog.New(log)})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pods", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func review(t *testing.T, namespace, pod string) answer {
	t.Helper()
	w := post(t, "application/json", asked(namespace, pod), io.Discard)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var a answer
	unmarshal(t, w.Body.String(), &a)
	if a.APIVersion != "admission.k8s.io/v1" || a.Kind != "AdmissionReview" || a.Response.UID != "u-1" {
		t.Fatalf("%+v", a)
	}
	return a
}

func TestAReviewIsAnsweredWithAPatch(t *testing.T) {
	t.Parallel()
	a := review(t, "apps", podWith(""))
	var ops []webhook.PatchOp
	unmarshal(t, string(a.Response.Patch), &ops)
	if !a.Response.Allowed || a.Response.PatchType != "JSONPatch" || len(ops) == 0 {
		t.Fatalf("%+v", a.Response)
	}
	if got := apply(t, podWith(""), ops); got != injected(t, podWith("")) {
		t.Errorf("the patch makes %s", got)
	}
}

func TestAReviewWithoutChangesHasNoPatch(t *testing.T) {
	t.Parallel()
	if a := review(t, "apps", injected(t, podWith(""))); !a.Response.Allowed || a.Response.PatchType != "" || a.Response.Patch != nil || a.Response.Warnings != nil {
		t.Errorf("%+v", a.Response)
	}
	if a := review(t, "kube-system", podWith("")); !a.Response.Allowed || a.Response.Patch != nil || a.Response.Warnings != nil {
		t.Errorf("kube-system: %+v", a.Response)
	}
}

func TestAuthorsAreWarnedOfPodsWithoutASidecar(t *testing.T) {
	t.Parallel()
	a := review(t, "apps", `{"spec":{"hostNetwork":true}}`)
	if !a.Response.Allowed || len(a.Response.Warnings) != 1 || !strings.Contains(a.Response.Warnings[0], "hostNetwork") {
		t.Errorf("%+v", a.Response)
	}
}

func TestWhatCannotBeDoneIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	for pod, want := range map[string]string{
		podWith(`"sealcar/strict":"yes"`):                                                         `annotation sealcar/strict: "yes" is not true or false`,
		`{"spec":{"containers":"none"}}`:                                                          "reading the pod",
		`{"spec":{"volumes":[` + strings.Repeat("{},", 20_000) + `{}]}}`:                          "it has more than 20000 objects",
		`{"spec":{"volumes":[{"name":"v","a":[` + strings.Repeat("1,", 100_000) + `1]}]}}`:        "it has more than 100000 values",
		`{"spec":{"volumes":[{"name":"v","a":[` + strings.Repeat("[],", 60_000) + `[]]}]}}`:       "it has more than 100000 values",
		`{"metadata":{"name":"\\"},"spec":{"volumes":[` + strings.Repeat("{},", 20_000) + `{}]}}`: "it has more than 20000 objects",
	} {
		a := review(t, "apps", pod)
		if a.Response.Allowed || a.Response.Patch != nil || a.Response.Status.Code != 422 || a.Response.Status.Reason != "Invalid" || !strings.Contains(a.Response.Status.Message, want) {
			t.Errorf("%s: %+v", pod, a.Response)
		}
	}
}

func TestWhatIsNoReviewIsAnHTTPError(t *testing.T) {
	t.Parallel()
	good := asked("apps", podWith(""))
	for _, tt := range []struct{ name, contentType, body, want string }{
		{"content type", "text/plain", good, `Content-Type "text/plain"`},
		{"no JSON", "application/json", "{", "reading the AdmissionReview"},
		{"something behind", "application/json", good + "{}", "more after the document"},
		{"another version", "application/json", strings.Replace(good, "k8s.io/v1", "k8s.io/v1beta1", 1), "want admission.k8s.io/v1"},
		{"no request", "application/json", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, "no request"},
		{"no uid", "application/json", strings.Replace(good, "u-1", "", 1), "no request with a uid"},
		{"an update", "application/json", strings.Replace(good, "CREATE", "UPDATE", 1), "want CREATE of v1 pods"},
		{"another resource", "application/json", strings.Replace(good, `"resource":"pods"`, `"resource":"nodes"`, 1), "want CREATE of v1 pods"},
		{"too large", "application/json", good + strings.Repeat(" ", 2<<20), "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if w := post(t, tt.contentType, tt.body, io.Discard); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("status %d, %q, want %q", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestBracesInStringsAreText(t *testing.T) {
	t.Parallel()
	pod := strings.Replace(podWith(""), "app:1", `\"`+strings.Repeat("{[,", 200_000), 1)
	if a := review(t, "apps", pod); !a.Response.Allowed || a.Response.Patch == nil {
		t.Errorf("%+v", a.Response.Status)
	}
}

// stalled is a body that does not come before it is ended.
type stalled struct{ begun, ended chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	s.begun <- struct{}{}
	<-s.ended
	return 0, io.ErrUnexpectedEOF
}

func TestT84_ReviewsAtATimeAreBounded(t *testing.T) {
	t.Parallel()
	h := webhook.NewHandler(webhook.Options{Settings: func() *webhook.Settings { return settings(t) }, Log: zerolog.Nop()})
	ask := func(ctx context.Context, body io.Reader) int {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/pods", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	slow := stalled{begun: make(chan struct{}), ended: make(chan struct{})}
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() { ask(t.Context(), slow) })
		<-slow.begun
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if code := ask(gone, slow); code != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", code)
	}
	close(slow.ended)
	asking.Wait()
	if code := ask(t.Context(), strings.NewReader(asked("apps", podWith("")))); code != http.StatusOK {
		t.Errorf("status %d once there is room", code)
	}
}

func TestT63_NothingOfAPodIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	pod := `{"metadata":{"name":"canary"},"spec":{"containers":[{"name":"app","env":[{"name":"TOKEN","value":"canary"}]}]}}`
	post(t, "application/json", asked("apps", pod), &log)
	post(t, "application/json", asked("apps", pod)+"canary", &log)
	if !json.Valid(bytes.Split(log.Bytes(), []byte("\n"))[0]) || bytes.Contains(log.Bytes(), []byte("canary")) {
		t.Errorf("the log: %s", &log)
	}
}
