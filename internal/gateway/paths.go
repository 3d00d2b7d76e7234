package gateway

import (
	"net/url"
	"path"
	"strings"
)

// fileKind is what a path of the file routes leads to.
type fileKind int

const (
	resultFile    fileKind = iota // /v1/jobs/{id}/results/{path}
	resultArchive                 // /v1/jobs/{id}/results.zip
	workspaceFile                 // /v1/workspace/{path}
)

// fileRoute is a path that leads to the bytes of files.
type fileRoute struct {
	kind fileKind
	// id is the job's, decoded.
	id string
	// escaped is the path of the file, as the client encoded it.
	escaped string
}

// parseFileRoute recognizes the paths of files, given as the client encoded them.
func parseFileRoute(escaped string) (fileRoute, bool) {
	rest, ok := strings.CutPrefix(escaped, "/v1/")
	if !ok {
		return fileRoute{}, false
	}
	if file, ok := strings.CutPrefix(rest, "workspace/"); ok {
		return fileRoute{kind: workspaceFile, escaped: file}, true
	}
	rest, ok = strings.CutPrefix(rest, "jobs/")
	if !ok {
		return fileRoute{}, false
	}
	id, rest, ok := strings.Cut(rest, "/")
	decoded, err := url.PathUnescape(id)
	if !ok || id == "" || err != nil {
		return fileRoute{}, false
	}
	if rest == "results.zip" {
		return fileRoute{kind: resultArchive, id: decoded}, true
	}
	file, ok := strings.CutPrefix(rest, "results/")
	return fileRoute{kind: resultFile, id: decoded, escaped: file}, ok
}

// filePath decodes the path of the file into the form that the services take:
// absolute in the workspace, relative to the output folder among results.
//
// It is decoded once. An encoded slash separates like a plain one, because
// clients generated from the OpenAPI document encode the slashes of a path
// parameter, and no file name can hold one. Nothing is cleaned: a path that is not
// written in its one plain form is refused, so that what is checked here is
// what every later layer sees.
func (f fileRoute) filePath() (string, *problem) {
	decoded, err := url.PathUnescape(f.escaped)
	switch {
	case err != nil:
		return "", invalid("path", "has a % that is not followed by two hexadecimal digits")
	case !validText(decoded):
		return "", invalid("path", "must be text in UTF-8 without NUL")
	case decoded == "":
		return "", invalid("path", "is empty")
	case len(decoded) > maxPathBytes:
		return "", invalid("path", "is longer than 4,096 bytes")
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", invalid("path", "must not have empty segments, `.` or `..`")
		}
	}
	if f.kind == workspaceFile {
		return "/" + decoded, nil
	}
	return decoded, nil
}

// maxPathBytes is the length of the longest path that Linux takes.
const maxPathBytes = 4096

// fileName is the last segment of a path.
func fileName(filePath string) string { return path.Base(filePath) }
