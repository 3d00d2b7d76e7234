package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"
)

// guesses are the refusals of credentials that nobody gave out. What was good once, such as an expired token, is none: who
// sends it guesses nothing.
var guesses = []error{errScheme, errMalformed, errUnknown, errForged, errAudience, errBound}

// IsGuess reports whether a refusal is of a credential that may be somebody's attempt to guess one.
func IsGuess(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, guess := range guesses {
		if errors.Is(r.err, guess) {
			return true
		}
	}
	return false
}

// PresentedID is the public id of the token that a call presents, whether it is good or not. It is empty without a token
// that has one. Nothing secret is in it.
func PresentedID(ctx context.Context) string {
	return presentedID(metadata.ValueFromIncomingContext(ctx, "authorization"))
}

// PresentedIDOf is PresentedID for a request over HTTP.
func PresentedIDOf(r *http.Request) string { return presentedID(r.Header.Values("Authorization")) }

func presentedID(values []string) string {
	if len(values) != 1 {
		return ""
	}
	text, err := bearerText(values)
	if err != nil {
		return ""
	}
	if strings.Count(text, ".") == 2 && len(text) <= jwtMost {
		hash := Hash(text)
		return base.EncodeToString(hash[:idBytes])
	}
	id, err := ParseSecret(text)
	if err != nil {
		return ""
	}
	return id
}
