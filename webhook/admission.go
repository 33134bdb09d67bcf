package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// What a review may cost, for any pod of a cluster can send some. etcd takes
// objects of 1.5 MiB; how many values they may hold is in extent.go.
const (
	maxReview  = 2 << 20 // bytes
	maxReviews = 8       // at a time; more wait, unread
)

// DefaultBodyTimeout is that of a Handler whose owner sets none: an API server has
// the whole review before it sends the first byte of it.
const DefaultBodyTimeout = 2 * time.Second

// review is an AdmissionReview of admission.k8s.io/v1.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Operation string `json:"operation"`
	Resource  struct {
		Group    string `json:"group"`
		Version  string `json:"version"`
		Resource string `json:"resource"`
	} `json:"resource"`
	Object json.RawMessage `json:"object"`
}

type response struct {
	UID       string   `json:"uid"`
	Allowed   bool     `json:"allowed"`
	Status    *status  `json:"status,omitempty"`
	PatchType string   `json:"patchType,omitempty"`
	Patch     []byte   `json:"patch,omitempty"`    // in Base64, which is what encoding/json makes of it
	Warnings  []string `json:"warnings,omitempty"` // kubectl shows them
}

// status is what the client of a refused request gets.
type status struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Handler answers AdmissionReviews of pods that are to be created. Anything else
// gets an HTTP error, upon which the API server refuses the pod, the failurePolicy
// being Fail.
// Make it with NewHandler.
type Handler struct {
	o      Options
	places chan struct{}
}

// Options are what a Handler works with.
type Options struct {
	Settings    func() *Settings // those in force, asked for at each review
	BodyTimeout time.Duration    // for a review to arrive once it has a place; 0: DefaultBodyTimeout
	Log         zerolog.Logger
}

// NewHandler makes a Handler.
func NewHandler(o Options) *Handler {
	o.BodyTimeout = orDefault(o.BodyTimeout, DefaultBodyTimeout)
	return &Handler{o: o, places: make(chan struct{}, maxReviews)}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	case <-r.Context().Done(): // the API server waits no longer
		http.Error(w, "too many reviews at a time", http.StatusServiceUnavailable)
		return
	}
	asked, err := h.readReview(w, r)
	if err != nil {
		h.o.Log.Warn().Err(err).Str("client", r.RemoteAddr).Msg("not an AdmissionReview of a new pod")
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(review{APIVersion: asked.APIVersion, Kind: asked.Kind, Response: h.answer(asked.Request)})
	if err != nil {
		h.o.Log.Error().Err(err).Msg("an answer could not be written")
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // if it does not arrive, the API server refuses the pod
}

// readReview reads a request for admission and holds it to what we are asked for.
func (h *Handler) readReview(w http.ResponseWriter, r *http.Request) (*review, error) {
	if r.Method != http.MethodPost {
		return nil, fmt.Errorf("method %s, want POST", r.Method)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, fmt.Errorf("Content-Type %q, want application/json", r.Header.Get("Content-Type"))
	}
	// Whoever stalls gives the place back long before the API server's own timeout.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(h.o.BodyTimeout)) // net/http's own connections all can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		return nil, fmt.Errorf("reading the AdmissionReview: %w", err)
	}
	_ = conn.SetReadDeadline(time.Time{}) // or its end would end the request
	var asked review
	if err := decode(body, &asked, false); err != nil {
		return nil, fmt.Errorf("reading the AdmissionReview: %w", err)
	}
	if asked.APIVersion != "admission.k8s.io/v1" || asked.Kind != "AdmissionReview" {
		return nil, fmt.Errorf("%s %s, want admission.k8s.io/v1 AdmissionReview", asked.APIVersion, asked.Kind)
	}
	q := asked.Request
	if q == nil || q.UID == "" {
		return nil, errors.New("the AdmissionReview has no request with a uid")
	}
	if q.Operation != "CREATE" || q.Resource.Group != "" || q.Resource.Version != "v1" || q.Resource.Resource != "pods" {
		return nil, fmt.Errorf("%s of %s/%s %s, want CREATE of v1 pods", q.Operation, q.Resource.Group, q.Resource.Version, q.Resource.Resource)
	}
	return &asked, nil
}

func (h *Handler) answer(q *request) *response {
	a, err := h.admit(q)
	if err != nil {
		h.o.Log.Warn().Err(err).Str("namespace", q.Namespace).Str("uid", q.UID).Msg("a pod was refused")
		return &response{UID: q.UID, Status: &status{
			Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: "sealcar cannot add its sidecar: " + err.Error(),
		}}
	}
	a.UID = q.UID
	return a
}

func (h *Handler) admit(q *request) (*response, error) {
	p, err := DecodePod(q.Object)
	if err != nil {
		return nil, err
	}
	s := h.o.Settings()
	if reason, told := Spared(p, q.Namespace, s); reason != "" {
		h.o.Log.Info().Str("namespace", q.Namespace).Str("uid", q.UID).Str("reason", reason).Msg("a pod was let through")
		a := &response{Allowed: true}
		if told {
			a.Warnings = []string{"sealcar adds no sidecar to this pod: " + reason}
		}
		return a, nil
	}
	ops, err := Inject(p, s)
	if err != nil {
		return nil, err
	}
	h.o.Log.Info().Str("namespace", q.Namespace).Str("uid", q.UID).Int("changes", len(ops)).Bool("again", p.injectedBy(s.Name)).Msg("a pod was changed")
	if len(ops) == 0 {
		return &response{Allowed: true}, nil
	}
	patch, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("writing the patch: %w", err)
	}
	return &response{Allowed: true, PatchType: "JSONPatch", Patch: patch}, nil
}
