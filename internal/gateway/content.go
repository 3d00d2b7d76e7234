package gateway

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// contentType is the media type that a file is sent as. What a page of this
// server could load as its own code or style is sent as text: users choose the
// names and the bytes of files, and the policy of the pages trusts this origin.
func contentType(given string) string {
	media, params, err := mime.ParseMediaType(given)
	if err != nil || !strings.Contains(media, "/") {
		return "application/octet-stream"
	}
	if strings.Contains(media, "javascript") || strings.Contains(media, "ecmascript") || media == "text/css" || media == "application/wasm" {
		media, params = "text/plain", nil
	}
	if strings.HasPrefix(media, "text/") && params["charset"] == "" {
		params = map[string]string{"charset": "utf-8"}
	}
	return mime.FormatMediaType(media, params)
}

// active reports whether a browser runs scripts of such a file when it shows it.
func active(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return media == "text/html" || strings.HasSuffix(media, "+xml") || strings.HasSuffix(media, "/xml") || media == "text/xsl"
}

// harmless are the media types, beside text, that a browser shows by itself without running or drawing anything that a file
// asks for. What is not among them is not known to be harmless.
var harmless = []string{
	"application/json", "application/x-ndjson", "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp",
}

// mayOpen reports whether a browser may open a file by itself, at this origin, and not only within a page of this server.
func mayOpen(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return !active(contentType) && (strings.HasPrefix(media, "text/") || slices.Contains(harmless, media))
}

// shownByPage reports whether a page of this very server shows the file, in a frame or as an image. Browsers alone say where to a
// request is for, and all of today do.
func shownByPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "iframe", "image", "empty":
		return r.Header.Get("Sec-Fetch-Site") == "same-origin"
	default:
		return false
	}
}

// setFileHeaders says what a file is and how to treat it. What is not known to be harmless is saved, and not shown, unless
// a page of this server embeds it.
func setFileHeaders(h http.Header, r *http.Request, info fileInfo, attachment bool) {
	media := contentType(info.contentType)
	attachment = attachment || !mayOpen(media) && !shownByPage(r)
	h.Add("Vary", "Sec-Fetch-Dest, Sec-Fetch-Site")
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", disposition(attachment, fileName(info.path)))
	// It may be kept, but asked about each time: rights and files change.
	h.Set("Cache-Control", "private, no-cache")
	// The pages of this server may show a file in a frame, nobody else.
	policy := "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
	if active(media) {
		policy = "sandbox; " + policy // scripts stay off, and the page is of no origin
	}
	h.Set("Content-Security-Policy", policy)
	if info.modified.Unix() > 0 {
		h.Set("ETag", etag(info))
	}
}

// etag is the entity tag of a file.
func etag(info fileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.size, info.modified.UnixNano())
}

// disposition is a Content-Disposition with the name of a file, for old and new clients (RFC 6266).
func disposition(attachment bool, name string) string {
	kind := "inline"
	if attachment {
		kind = "attachment"
	}
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '%' {
			return '_'
		}
		return c
	}, name)
	return fmt.Sprintf(`%s; filename="%s"; filename*=UTF-8''%s`, kind, plain, extValue(name))
}

// extValue encodes text as RFC 8187 does.
func extValue(text string) string {
	const plain = "!#$&+-.^_`|~"
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(plain, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
