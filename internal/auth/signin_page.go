package auth

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/stint-jobs/stint/internal/reason"
)

//go:embed signin.html
var pageText string

//go:embed signin.css
var pageStyle []byte

var page = template.Must(template.New("page").Parse(pageText))

// pagePolicy lets the page load its style, and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// failure is why a browser could not be signed in or out, in words for its user.
type failure struct {
	code   int
	reason string // stable, for programs
	title  string
	text   string
	back   string // where they were going
	again  bool   // whether signing in again can help
	cause  error  // for the log
}

func (f failure) to(back string) failure {
	f.back = back
	return f
}

func (f failure) because(err error) failure {
	f.cause = err
	return f
}

var (
	notHere      = failure{code: http.StatusNotFound, reason: "NO_SUCH_ROUTE", title: "There is no such page", text: "Nobody signs in at this address."}
	notBegun     = failure{code: http.StatusBadRequest, reason: "SIGN_IN_NOT_BEGUN", again: true, title: "This sign-in was not begun here", text: "It took too long, was begun in another tab or browser, or was answered already. Nothing happened; sign in again."}
	refusedThere = failure{code: http.StatusForbidden, reason: "SIGN_IN_REFUSED", again: true, title: "You were not signed in", text: "The sign-in was cancelled, or your account may not use this service."}
	issuerDown   = failure{code: http.StatusServiceUnavailable, reason: "ISSUER_UNAVAILABLE", again: true, title: "Sign-in does not work at the moment", text: "The server cannot reach the service that signs users in. Jobs go on. Try again in a moment."}
	badAnswer    = failure{code: http.StatusBadGateway, reason: "SIGN_IN_FAILED", again: true, title: "The sign-in did not come through", text: "The answer of the service that signs users in did not stand up to the server's checks. Sign in again; if this happens again, tell the operators."}
	crossSite    = failure{code: http.StatusForbidden, reason: "CROSS_SITE", title: "You are still signed in", text: "Another site asked for you to be signed out. Only this server's own pages can do that."}
	inside       = failure{code: http.StatusInternalServerError, reason: "INTERNAL", again: true, title: "Something went wrong inside the server", text: "Its log says what. Try again, or tell the operators."}
)

// failureOf is what the user is told of an error of exchange.
func failureOf(err error) failure {
	switch {
	case errors.Is(err, errIssuerDown):
		return issuerDown.because(err)
	case errors.Is(err, errCode):
		return notBegun.because(err)
	case errors.Is(err, errUserName), errors.Is(err, errUnverified), errors.Is(err, errDisabled):
		f := refusedThere.because(err)
		for kind, s := range reasons {
			if errors.Is(err, kind) {
				f.reason, f.text = s.Reason, s.Message
			}
		}
		return f
	default:
		return badAnswer.because(err)
	}
}

// fail answers a request that did not do what it was for: JSON for programs, a page with a way on for people.
func (s *SignIn) fail(w http.ResponseWriter, r *http.Request, f failure) {
	if f.cause != nil {
		s.log.WarnContext(r.Context(), "a browser was not signed in or out", "reason", f.reason, "error", f.cause)
	}
	h := w.Header()
	if f.code == http.StatusServiceUnavailable {
		h.Set("Retry-After", "10")
	}
	if wantsJSON(r) {
		h.Set("Content-Type", "application/json")
		w.WriteHeader(f.code)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"message": f.text,
			"details": []map[string]string{{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": f.reason, "domain": reason.Domain}},
		})
		return
	}
	if f.back == "" {
		f.back = s.prefix + "/"
	}
	shown := map[string]any{"Title": f.title, "Text": f.text, "Back": f.back, "Style": s.prefix + stylePath}
	if f.again {
		shown["Again"] = s.prefix + LoginPath + "?" + url.Values{"return": {f.back}}.Encode()
	}
	var b bytes.Buffer
	if err := page.Execute(&b, shown); err != nil {
		http.Error(w, f.text, f.code)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	w.WriteHeader(f.code)
	_, _ = w.Write(b.Bytes())
}

func (s *SignIn) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(pageStyle)
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// clipText bounds text of others in the log.
func clipText(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.ToValidUTF8(s, "?")
}
