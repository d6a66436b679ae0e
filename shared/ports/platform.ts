// The rest of what the product needs: announcing transitions, and a look at the connected Azure ML workspace.
export interface Announcer {
  publish(event: { id: string; type: string; subject: string; at: string; data: Record<string, unknown> }): Promise<void>;
}

export interface Workspace {
  /** The Azure ML workspace as ARM describes it. Rejects `workspace-unknown`, `workspace-forbidden`. */
  read(): Promise<{ name: string; location: string; publicNetworkAccess: string; trackingUri: string | null }>;
}
