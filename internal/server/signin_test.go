package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/stint-jobs/stint/internal/auth"
)

// configured is what a file and flags make.
func configured(t *testing.T, file string, args ...string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stintd.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Config
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	define(f, &c)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := fill(f, func(string) (string, bool) { return "", false }, path, c.sections()); err != nil {
		return c, err
	}
	return c, c.check()
}

func TestSignInIsConfiguredInTheFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configured(t, "oidc: {issuer: https://id.example.org, client-id: stint, client-secret-file: "+secret+", roles-claim: groups, roles: {ops: operator}}", "--path-prefix", "/stint/")
	if err != nil {
		t.Fatal(err)
	}
	if mode := c.authMode(); mode != auth.ModeToken {
		t.Errorf("mode %s: where users sign in, nobody gets in without", mode)
	}
	o, err := c.oidc()
	if err != nil || o.ClientSecret != "hush" || o.PublicURL != "http://127.0.0.1:8421/stint" || o.Roles["ops"] != auth.RoleOperator {
		t.Errorf("%+v, %v", o, err)
	}
	if c, err = configured(t, ""); err != nil || c.authMode() != auth.ModeAuto || c.OIDC.enabled() {
		t.Errorf("without the section: %s, %v", c.authMode(), err)
	}
}

func TestMistakesInSignInAreTold(t *testing.T) {
	const good = "oidc: {issuer: https://id.example.org, client-id: stint}"
	for what, c := range map[string]struct {
		file string
		args []string
		says string
	}{
		"an unknown key":         {"oidc: {issuer: https://id.example.org, clientid: x}", nil, "clientid"},
		"development mode":       {good, []string{"--auth", "dev"}, "--auth dev"},
		"no time at all":         {good, []string{"--session-idle", "0s"}, "--session-idle"},
		"an origin that is none": {"", []string{"--embed-origins", "https://a.example/"}, "--embed-origins"},
		"all origins":            {"", []string{"--embed-origins", "*"}, "--embed-origins"},
	} {
		if _, err := configured(t, c.file, c.args...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	c, err := configured(t, "oidc: {issuer: https://id.example.org, client-id: stint, public-url: https://gateway.example.org/stint}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.oidc(); err == nil || !strings.Contains(err.Error(), "--path-prefix") {
		t.Errorf("a public address at another path: %v", err)
	}
	c, err = configured(t, "oidc: {issuer: https://id.example.org, client-id: stint, client-secret-file: /nonexistent}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.oidc(); err == nil || !strings.Contains(err.Error(), "client-secret-file") {
		t.Errorf("a secret that is not there: %v", err)
	}
}
