package server

import (
	"fmt"
	"log/slog"
	"regexp"
)

// Tokens belong into headers, where nothing logs them. Clients that put one
// somewhere else, into a URL or a name, must not leave it in the log all the same: what has
// the form of a secret is cut off behind what is public of it.
// A session's has no word in front, but a length of its own.
var secretForms = regexp.MustCompile(`(stint_[0-9a-z]{8}_)[0-9a-z]{6,}|(stint_)[0-9a-z]{20,}|(stintjob_)[0-9a-z]{6,}|(eyJ)[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*|\b([0-9a-z]{8}_)[0-9a-z]{59}\b`)

func redact(text string) string {
	return secretForms.ReplaceAllString(text, "${1}${2}${3}${4}${5}(secret)")
}

// redactAttr is redact for what a line of the log says.
func redactAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(redact(v.String()))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			a.Value = slog.StringValue(redact(err.Error()))
		} else if text := fmt.Sprint(v.Any()); redact(text) != text { // a list of names, or what somebody panics with
			a.Value = slog.StringValue(redact(text))
		}
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindUint64, slog.KindTime, slog.KindGroup, slog.KindLogValuer:
	default:
	}
	return a
}
