package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	authapi "github.com/stint-jobs/stint/internal/api/auth"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/file"
)

// The tools work on the folders of a server. Where it runs they ask it over the
// socket in its state folder, otherwise they open the database themselves.

// tool makes a command with the flags that all tools have.
func tool(use, short, long string, run func(cmd *cobra.Command, f folders) error) *cobra.Command {
	var state, data string
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	addFolderFlags(cmd, &state, &data)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f := foldersOf(state, data)
		if state != "" && !cmd.Flags().Changed("data") {
			f.data = "" // not known
		}
		if _, err := os.Stat(f.database()); err != nil {
			return fmt.Errorf("there is no database in %s; give the server's folder with --state, or with --data the one above it", f.state)
		}
		return run(cmd, f)
	}
	return cmd
}

func compactCommand(std Streams) *cobra.Command {
	return tool("compact", "Rewrite the database of a server that does not run, without free space",
		"The new file takes the place of the old one only when it is complete and durable.",
		func(cmd *cobra.Command, f folders) error {
			return f.lockedTool(cmd.Context(), func() error { return compact(f, std) })
		})
}

// compact replaces the database by a copy without free space.
func compact(f folders, std Streams) error {
	before, after, err := file.Compact(f.database())
	if err != nil {
		return explainLocked(err)
	}
	fmt.Fprintf(std.Out, "%d bytes before, %d after\n", before, after)
	return nil
}

func backupCommand(std Streams) *cobra.Command {
	var to string
	cmd := tool("backup", "Copy the database, also while the server runs",
		"The copy is consistent; stintd restore puts it in place.\nThe folders of jobs and the workspaces are plain files; copy them by any means.",
		func(cmd *cobra.Command, f folders) error {
			if to == "" {
				return fmt.Errorf("give the file to write with --to, or - for standard output: %w", errUsage)
			}
			return backup(cmd.Context(), f, to, std)
		})
	cmd.Flags().StringVar(&to, "to", "", "file to write, which must not exist; - is standard output")
	return cmd
}

// backup writes whole files only: a copy that was cut off has another name.
func backup(ctx context.Context, from folders, to string, std Streams) error {
	copyTo := func(w io.Writer) error { return copyDatabase(ctx, from, w) }
	if to == "-" {
		return copyTo(std.Out)
	}
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("%s is there already", to)
	}
	err := replaceFile(to, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<20)
		return errors.Join(copyTo(buffered), buffered.Flush())
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "wrote %s\n", to)
	return nil
}

func copyDatabase(ctx context.Context, f folders, w io.Writer) error {
	conn, err := dialSocket(ctx, f.state)
	if errors.Is(err, errNoServer) {
		_, err := file.Backup(f.database(), w)
		return err
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := adminv1.NewAdminServiceClient(conn).Backup(ctx, &adminv1.BackupRequest{})
	if err != nil {
		return plain(err)
	}
	var got, want int64
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return plain(err)
		}
		if _, err := w.Write(m.GetData()); err != nil {
			return fmt.Errorf("write the copy: %w", err)
		}
		got, want = got+int64(len(m.GetData())), m.GetSizeBytes()
	}
	if got != want {
		return fmt.Errorf("the copy has %d of %d bytes", got, want)
	}
	return nil
}

func tokenCommand(std Streams) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make, list and revoke API tokens", Args: cobra.NoArgs}
	cmd.AddCommand(tokenCreate(std), tokenList(std), tokenRevoke(std))
	return cmd
}

func tokenCreate(std Streams) *cobra.Command {
	var req authv1.CreateTokenRequest
	var expires time.Duration
	cmd := tool("create", "Make an API token and print it, this once", "",
		func(cmd *cobra.Command, f folders) error {
			if expires > 0 {
				req.ExpireTime = timestamppb.New(time.Now().Add(expires))
			}
			return withTokens(cmd.Context(), f, func(c tokenClient) error {
				resp, err := c.CreateToken(cmd.Context(), &req)
				if err != nil {
					return plain(err)
				}
				fmt.Fprintln(std.Out, resp.GetSecret())
				fmt.Fprintf(std.Err, "Token %s for %s. It cannot be shown again.\n", resp.GetToken().GetId(), resp.GetToken().GetUser())
				return nil
			})
		})
	cmd.Flags().StringVar(&req.User, "user", "", "user that the token stands for")
	cmd.Flags().StringSliceVar(&req.Roles, "role", nil, "role beyond user: operator, auditor, service")
	cmd.Flags().StringSliceVar(&req.Scopes, "scope", nil, "narrow it: jobs:read, jobs:write, files:read, files:write, tokens, admin; all that its user may do if not given")
	cmd.Flags().StringVar(&req.Description, "description", "", "what it is for")
	cmd.Flags().DurationVar(&expires, "expires-in", 0, "how long it works, for example 2160h; 0 means for ever")
	return cmd
}

func tokenList(std Streams) *cobra.Command {
	var req authv1.ListTokensRequest
	cmd := tool("list", "List the API tokens, without their secrets", "",
		func(cmd *cobra.Command, f folders) error {
			return withTokens(cmd.Context(), f, func(c tokenClient) error {
				var tokens []*authv1.Token
				for more := true; more; more = req.PageToken != "" {
					resp, err := c.ListTokens(cmd.Context(), &req)
					if err != nil {
						return plain(err)
					}
					tokens, req.PageToken = append(tokens, resp.GetTokens()...), resp.GetNextPageToken()
				}
				w := tabwriter.NewWriter(std.Out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tUSER\tROLES\tSCOPES\tCREATED\tEXPIRES\tLAST USED\tDESCRIPTION")
				for _, t := range tokens {
					scopes := strings.Join(t.GetScopes(), ",")
					if scopes == "" {
						scopes = "all"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.GetId(), t.GetUser(), strings.Join(t.GetRoles(), ","), scopes,
						orNever(t.GetCreateTime()), orNever(t.GetExpireTime()), orNever(t.GetLastUseTime()), t.GetDescription())
				}
				return w.Flush()
			})
		})
	cmd.Flags().StringVar(&req.User, "user", "", "only those of this user")
	return cmd
}

func orNever(t *timestamppb.Timestamp) string {
	if t == nil {
		return "never"
	}
	return t.AsTime().Local().Format(time.RFC3339)
}

func tokenRevoke(std Streams) *cobra.Command {
	var id string
	cmd := tool("revoke", "Make an API token stop working, also for streams that are open", "",
		func(cmd *cobra.Command, f folders) error {
			return withTokens(cmd.Context(), f, func(c tokenClient) error {
				if _, err := c.RevokeToken(cmd.Context(), &authv1.RevokeTokenRequest{Id: id}); err != nil {
					return plain(err)
				}
				fmt.Fprintf(std.Err, "Token %s is revoked.\n", id)
				return nil
			})
		})
	cmd.Flags().StringVar(&id, "id", "", "public id of the token, as the list shows it")
	return cmd
}

// tokenClient is what the token tools need, of a running server or of a file.
type tokenClient interface {
	CreateToken(ctx context.Context, in *authv1.CreateTokenRequest, _ ...grpc.CallOption) (*authv1.CreateTokenResponse, error)
	ListTokens(ctx context.Context, in *authv1.ListTokensRequest, _ ...grpc.CallOption) (*authv1.ListTokensResponse, error)
	RevokeToken(ctx context.Context, in *authv1.RevokeTokenRequest, _ ...grpc.CallOption) (*authv1.RevokeTokenResponse, error)
}

// withTokens calls do with the tokens of a running server, or of its database.
func withTokens(ctx context.Context, f folders, do func(tokenClient) error) error {
	conn, err := dialSocket(ctx, f.state)
	if err == nil {
		defer conn.Close()
		return do(authv1.NewTokenServiceClient(conn))
	}
	if !errors.Is(err, errNoServer) {
		return err
	}
	return f.lockedTool(ctx, func() error { return withFileTokens(f, do) })
}

// withFileTokens calls do with the tokens of the database of a server that does not run.
func withFileTokens(f folders, do func(tokenClient) error) error {
	st, err := store.Open(store.Config{Path: f.database()})
	if err != nil {
		return explainLocked(err)
	}
	return errors.Join(do(fileTokens{authapi.NewOfflineTokens(auth.NewTokens(st, nil))}), st.Close())
}

// offline is the audit entry of who works on the files of a server that does not run. Nobody can tell who that is.
func offline(method string) *storev1.AuditEntry {
	return &storev1.AuditEntry{User: "local admin", How: "offline", Method: method}
}

func explainLocked(err error) error {
	if errors.Is(err, job.ErrUnavailable) {
		return locked(errors.New("the server runs and has the database open; stop it first"))
	}
	return err
}

// plain is an error of a call without the words of gRPC around it.
func plain(err error) error {
	if s, ok := status.FromError(err); ok {
		return errors.New(s.Message())
	}
	return err
}

// fileTokens is the TokenService of a database that no server has open, as a client.
type fileTokens struct{ srv authv1.TokenServiceServer }

// CreateToken makes a token in the file.
func (f fileTokens) CreateToken(ctx context.Context, in *authv1.CreateTokenRequest, _ ...grpc.CallOption) (*authv1.CreateTokenResponse, error) {
	return f.srv.CreateToken(store.WithAudit(ctx, offline(authv1.TokenService_CreateToken_FullMethodName)), in)
}

// ListTokens lists the tokens of the file.
func (f fileTokens) ListTokens(ctx context.Context, in *authv1.ListTokensRequest, _ ...grpc.CallOption) (*authv1.ListTokensResponse, error) {
	return f.srv.ListTokens(ctx, in)
}

// RevokeToken revokes a token of the file.
func (f fileTokens) RevokeToken(ctx context.Context, in *authv1.RevokeTokenRequest, _ ...grpc.CallOption) (*authv1.RevokeTokenResponse, error) {
	return f.srv.RevokeToken(store.WithAudit(ctx, offline(authv1.TokenService_RevokeToken_FullMethodName)), in)
}
