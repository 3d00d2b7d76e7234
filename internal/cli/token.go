package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/credentials"
)

const tokenFileHelp = "$XDG_CONFIG_HOME/stint/token"

// defaultTokenFile is where the user's token is looked for.
func defaultTokenFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return tokenFileHelp
	}
	return filepath.Join(dir, "stint", "token")
}

// token answers the caller's token: that of --token-file, else of STINT_TOKEN,
// else of the default file; empty when there is none. There is no flag for the
// token itself: other users of a machine can read command lines.
func (a *app) token() (string, error) {
	file, given := a.link.tokenFile, a.link.tokenFile != ""
	if !given {
		if t := os.Getenv("STINT_TOKEN"); t != "" {
			return checkToken(t, "STINT_TOKEN")
		}
		file = defaultTokenFile()
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !given:
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(a.err, "stint: warning: others can read your token; run: chmod 600 %s\n", clean(file))
	}
	return checkToken(string(text), file)
}

func checkToken(s, from string) (string, error) {
	token := strings.TrimSpace(s)
	if token == "" {
		return "", usagef("%s holds no token", from)
	}
	if len(token) > 8192 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", usagef("%s holds no token: one word of printable ASCII characters was expected", from)
	}
	return token, nil
}

// credentials are what calls to a server carry: the caller's token, else their
// login to that server; nil when there is neither.
func (a *app) credentials(t target) (credentials.PerRPCCredentials, error) {
	if a.anonymous {
		return nil, nil //nolint:nilnil // as asked
	}
	token, err := a.token()
	switch {
	case err != nil:
		return nil, err
	case token != "":
		return bearer{token: token, plaintext: !t.tls}, nil
	}
	l, err := readLogin(t.hostPort)
	if err != nil || l == nil {
		return nil, err
	}
	return &loginCreds{login: l, plaintext: !t.tls}, nil
}

// tokenSource names where a token comes from that goes before a login; empty when there is none.
func (a *app) tokenSource() string {
	if a.link.tokenFile != "" {
		return "the token of --token-file or STINT_TOKEN_FILE"
	}
	if os.Getenv("STINT_TOKEN") != "" {
		return "STINT_TOKEN"
	}
	if _, err := os.Stat(defaultTokenFile()); err == nil {
		return tokenFileHelp
	}
	return ""
}

// bearer sends the token with every call.
type bearer struct {
	token     string
	plaintext bool
}

// GetRequestMetadata gives the header of one call.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

// RequireTransportSecurity is the guard against a token on a connection that
// was not meant to be plaintext; connect decided that already.
func (b bearer) RequireTransportSecurity() bool { return !b.plaintext }

// actFor says with every call whom a service account makes it for.
type actFor struct {
	user      string
	plaintext bool
}

// GetRequestMetadata gives the header of one call.
func (f actFor) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"stint-act-for": f.user}, nil
}

// RequireTransportSecurity is as that of bearer.
func (f actFor) RequireTransportSecurity() bool { return !f.plaintext }
