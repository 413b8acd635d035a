// Command rate rates one listing: rate [-title TEXT] [-description TEXT] [PHOTO ...]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	wildwarden "wildwarden/v1"
)

// A second try included.
const deadline = 5 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rate:", describe(err))
		os.Exit(1)
	}
}

func run() error {
	request, err := listing()
	if err != nil {
		return err
	}
	address := os.Getenv("WILDWARDEN_ADDRESS")
	if address == "" {
		address = "127.0.0.1:50051"
	}
	channel, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		return err
	}
	defer channel.Close()

	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if key := os.Getenv("WILDWARDEN_KEY"); key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	rating, err := rate(ctx, wildwarden.NewRiskServiceClient(channel), request)
	if err != nil {
		return err
	}
	show(rating)
	return nil
}

// The listing that the command line names.
func listing() (*wildwarden.ClassifyRequest, error) {
	title := flag.String("title", "", "title of the listing")
	description := flag.String("description", "", "description of the listing")
	flag.Parse()

	request := &wildwarden.ClassifyRequest{Title: *title, Description: *description}
	for _, photo := range flag.Args() {
		content, err := os.ReadFile(photo)
		if err != nil {
			return nil, err
		}
		request.Images = append(request.Images, &wildwarden.Image{ImageId: filepath.Base(photo), Content: content})
	}
	return request, nil
}

func rate(ctx context.Context, client wildwarden.RiskServiceClient, request *wildwarden.ClassifyRequest) (*wildwarden.ClassifyResponse, error) {
	rating, err := client.Classify(ctx, request)
	delay, told := retryDelay(err)
	// A second answer that could only come too late is not waited for: the refusal says more than a passed deadline.
	if end, _ := ctx.Deadline(); !told || time.Until(end) <= delay {
		return rating, err
	}
	time.Sleep(delay)
	return client.Classify(ctx, request)
}

// After which time the server has room, where it says so.
func retryDelay(err error) (time.Duration, bool) {
	refusal := status.Convert(err)
	if c := refusal.Code(); c != codes.ResourceExhausted && c != codes.Unavailable {
		return 0, false
	}
	for _, detail := range refusal.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

func show(rating *wildwarden.ClassifyResponse) {
	fmt.Println("suggestion:", strings.TrimPrefix(rating.Suggestion.String(), "SUGGESTION_"))
	fmt.Printf("risk: %.4f (%s)\n", rating.Risk, level(rating.Level))
	for _, category := range rating.Categories {
		score := "unrated"
		if !category.Unrated {
			score = fmt.Sprintf("%.4f (%s)", category.Probability, level(category.Level))
		}
		fmt.Println("category:", category.Category, score)
	}
	for _, reason := range rating.Reasons {
		about := reason.Category
		if about == "" {
			about = "listing"
		}
		var arguments []string
		for name, value := range reason.Arguments {
			arguments = append(arguments, name+"="+value)
		}
		sort.Strings(arguments)
		why := strings.TrimPrefix(reason.Code.String(), "REASON_CODE_")
		fmt.Printf("reason: %s %s (%s)\n", why, about, strings.Join(arguments, ", "))
	}
	if rating.Degraded {
		fmt.Println("degraded, without:", strings.Join(rating.Missing, ", "))
	}
}

func level(level wildwarden.Level) string {
	return strings.TrimPrefix(level.String(), "LEVEL_")
}

// A refusal with its code by the name that all languages give it.
func describe(err error) string {
	refusal, ok := status.FromError(err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%s: %s", code.Code(refusal.Code()), refusal.Message())
}
