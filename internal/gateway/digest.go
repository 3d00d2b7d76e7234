package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The fields of RFC 9530 that say what the content of a file is: a dictionary of algorithms, each with the digest in
// base64 between colons, such as `sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:`.
const (
	reprDigest     = "Repr-Digest"
	contentDigest  = "Content-Digest"
	wantReprDigest = "Want-Repr-Digest"
	// sha256Name is the algorithm that is supported.
	sha256Name = "sha-256"
)

// givenDigest returns the SHA-256 that the headers of an upload announce, as hexadecimal digits; empty where they announce
// none. Files are uploaded without a content coding, so that both fields mean the same. What cannot be
// checked is refused: whoever sends a digest counts on it.
func givenDigest(h http.Header) (string, *problem) {
	sum := ""
	for _, field := range []string{reprDigest, contentDigest} {
		values := h.Values(field)
		if len(values) == 0 {
			continue
		}
		found, err := digestOf(strings.Join(values, ","))
		if err != nil {
			return "", invalid(field, err.Error())
		}
		if sum != "" && sum != found {
			return "", invalid(field, "is another digest than that of "+reprDigest)
		}
		sum = found
	}
	return sum, nil
}

// digestOf returns the SHA-256 of a dictionary of digests as hexadecimal digits.
func digestOf(dictionary string) (string, error) {
	const form = "must have " + sha256Name + ", in base64 between colons, such as sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:"
	sum := ""
	for member := range strings.SplitSeq(dictionary, ",") {
		name, value, _ := strings.Cut(strings.Trim(member, " \t"), "=")
		if name != sha256Name {
			continue // another algorithm says the same in other words
		}
		value, _, _ = strings.Cut(value, ";") // parameters mean nothing here
		text, ok := strings.CutPrefix(strings.TrimSpace(value), ":")
		text, closed := strings.CutSuffix(text, ":")
		raw, err := base64.StdEncoding.DecodeString(text)
		if !ok || !closed || err != nil || len(raw) != sha256.Size {
			return "", fmt.Errorf("%s", form)
		}
		sum = hex.EncodeToString(raw) // of keys that are there twice the last one counts (RFC 8941)
	}
	if sum == "" {
		return "", fmt.Errorf("%s", form)
	}
	return sum, nil
}

// wantsDigest reports whether a request asks for the SHA-256 of the whole file.
func wantsDigest(h http.Header) bool {
	wanted := false
	for member := range strings.SplitSeq(strings.Join(h.Values(wantReprDigest), ","), ",") {
		name, preference, _ := strings.Cut(strings.Trim(member, " \t"), "=")
		if name == sha256Name {
			n, err := strconv.Atoi(preference)
			wanted = err == nil && n > 0 // 0 means: not this one
		}
	}
	return wanted
}

// formatDigest writes a digest as a field has it.
func formatDigest(sum []byte) string {
	return sha256Name + "=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}

// digest reads the file to its end, and then goes back to where it was opened.
func (f *file) digest() (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	_, err := f.Seek(0, io.SeekStart)
	return formatDigest(h.Sum(nil)), err
}
