"""SAM's prompt encoder and mask decoder as one network for many prompts on one image."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ssa_export.absorbed_attention import ReadingImage, ReadingTokens


class MaskDecoder(nn.Module):
    """Points to the masks worth drawing, as segment-anything's `predict_torch` decodes them.

    It computes `predict_torch(point_coords, point_labels, boxes=None, mask_input=None,
    multimask_output=True)` from the submodules of a `transformers.SamModel`, and gives those of the
    masks whose predicted IoU is above a threshold. Written anew, since most of the arithmetic of
    the original is in vain, and without it the numbers are the same but for rounding:

    - It copies the image for every prompt before the first layer; here, what is equal for all
      prompts keeps a batch axis of 1 and is computed once.
    - After the first layer every prompt has its own image of thousands of tokens, beside
      seven tokens of its own. The original projects all of the image to queries, keys and values;
      here, the matrices of both sides meet on the side of the seven (`absorbed_attention`).
    - It draws all masks; here, the upscaling runs for prompts of which a mask passes.

    Axes below: P prompts, N points each, T = 5 output tokens + N + 1, C channels, G the
    embedding's side, S = G * G, H heads, R prompts of which a mask passes.
    """

    image_positions: Tensor

    def __init__(self, sam: Any) -> None:
        super().__init__()
        self.prompt_encoder = sam.prompt_encoder
        self.decoder = sam.mask_decoder
        self.image_size: int = sam.prompt_encoder.input_image_size
        self.embed_size: int = sam.prompt_encoder.image_embedding_size[0]
        positions = sam.get_image_wide_positional_embeddings().detach()
        self.register_buffer("image_positions", _to_tokens(positions), persistent=False)
        transformer = self.decoder.transformer
        self.tokens_read = nn.ModuleList(
            [
                *(
                    ReadingTokens(layer.cross_attn_token_to_image)
                    for layer in transformer.layers[1:]
                ),
                ReadingTokens(transformer.final_attn_token_to_image),
            ]
        )
        self.image_reads = nn.ModuleList(
            ReadingImage(layer.cross_attn_image_to_token) for layer in transformer.layers
        )
        self.upscaling = _Upscaling(self.decoder)

    def forward(
        self, image_embeddings: Tensor, point_coords: Tensor, point_labels: Tensor, min_iou: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode every prompt on the same image.

        Args:
            image_embeddings: float32 [1, C, G, G].
            point_coords: float32 [P, N, 2], x and y in pixels of the encoder's input.
            point_labels: int64 [P, N], 1 on the object, 0 off it, -1 no point.
            min_iou: float32 [1].

        Returns:
            Logits of the masks whose predicted IoU is above `min_iou`, prompt by prompt, float32
            [masks, 4G, 4G], and all predicted IoUs, float32 [P, 3].
        """
        prompts = self._embed_points(point_coords, point_labels)
        output_tokens = torch.cat([self.decoder.iou_token.weight, self.decoder.mask_tokens.weight])
        tokens = torch.cat(
            [output_tokens.expand(prompts.shape[0], -1, -1), prompts], dim=1
        )  # [P, T, C]
        no_mask = self.prompt_encoder.no_mask_embed.weight[:, :, None, None]
        image = _to_tokens(image_embeddings + no_mask)  # [1, S, C]
        tokens, image = self._two_way_transformer(tokens, image)
        ious = self._ious(tokens)
        return self._masks(tokens, image, ious > min_iou), ious

    def _embed_points(self, coords: Tensor, labels: Tensor) -> Tensor:
        """Prompt tokens, [P, N + 1, C]; without a box the last one is a padding point."""
        pixel_centres = coords + 0.5
        encoding = self.prompt_encoder.shared_embedding(pixel_centres / self.image_size)
        padding = torch.zeros_like(encoding[:, :1])
        encoding = torch.cat([encoding, padding], dim=1)
        no_point = torch.full_like(labels[:, :1], -1)
        labels = torch.cat([labels, no_point], dim=1)[..., None]
        background, foreground = (embed.weight for embed in self.prompt_encoder.point_embed[:2])
        embedding = torch.where(
            labels == -1, self.prompt_encoder.not_a_point_embed.weight, encoding
        )
        embedding = torch.where(labels == 0, embedding + background, embedding)
        return torch.where(labels == 1, embedding + foreground, embedding)

    def _two_way_transformer(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and image after attending to each other, [P, T, C] and [P, S, C]."""
        transformer = self.decoder.transformer
        token_positions = tokens
        for index, layer in enumerate(transformer.layers):
            if layer.skip_first_layer_pe:
                tokens = _attend(layer.self_attn, tokens, tokens, tokens)
            else:
                query = tokens + token_positions
                tokens = tokens + _attend(layer.self_attn, query, query, tokens)
            tokens = layer.layer_norm1(tokens)
            query, key = tokens + token_positions, image + self.image_positions
            if index == 0:  # one image for all prompts: its projections are made once
                read = _attend(layer.cross_attn_token_to_image, query, key, image)
            else:
                read = self.tokens_read[index - 1](query, key, image)
            tokens = layer.layer_norm2(tokens + read)
            tokens = layer.layer_norm3(tokens + layer.mlp(tokens))
            query = tokens + token_positions
            image = layer.layer_norm4(image + self.image_reads[index](key, query, tokens))
        query, key = tokens + token_positions, image + self.image_positions
        tokens = tokens + self.tokens_read[-1](query, key, image)
        tokens = transformer.layer_norm_final_attn(tokens)
        return tokens, image

    def _masks(self, tokens: Tensor, image: Tensor, passing: Tensor) -> Tensor:
        """Logits of the masks that pass, [masks, 4G, 4G]; `passing` is bool [P, 3]."""
        (drawn,) = passing.any(dim=1).nonzero(as_tuple=True)
        tokens, passing = tokens[drawn], passing[drawn]
        # Token 0 predicts IoUs and token 1 the mask for an unambiguous prompt, which is not used.
        weights = torch.stack(
            [
                self.decoder.output_hypernetworks_mlps[i](tokens[:, 1 + i])
                for i in range(1, self.decoder.num_mask_tokens)
            ],
            dim=1,
        )
        masks: Tensor = self.upscaling(image[drawn], weights, self.embed_size)
        (kept,) = passing.flatten().nonzero(as_tuple=True)
        return masks[kept]

    def _ious(self, tokens: Tensor) -> Tensor:
        """Predicted IoUs of the three masks, [P, 3]."""
        ious: Tensor = self.decoder.iou_prediction_head(tokens[:, 0])
        return ious[:, 1:]


class _Upscaling(nn.Module):
    """Image tokens to masks four times as wide and high.

    A transposed convolution whose stride is its kernel gives every token a square of its own: it
    is a product with a matrix. Kept token by token, normalisation and activation run along memory,
    and what is put in order at the end are masks instead of channels.
    """

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.activation = decoder.activation
        self.norm = decoder.upscale_layer_norm
        # Of both squares together the columns go first and last, so that the rows lie side by side:
        # one step puts them in order.
        for name, convolution, axes in (
            ("1", decoder.upscale_conv1, (0, 3, 2, 1)),
            ("2", decoder.upscale_conv2, (0, 2, 3, 1)),
        ):
            weight = convolution.weight.detach().permute(axes)  # from [in, out, row, column]
            self.register_buffer(f"weight{name}", weight.flatten(1).contiguous(), persistent=False)
            bias = convolution.bias.detach().repeat(4)
            self.register_buffer(f"bias{name}", bias, persistent=False)

    def forward(self, image: Tensor, weights: Tensor, side: int) -> Tensor:
        """[R, S, C] and the masks' weights [R, 3, C / 8] to logits [R * 3, 4G, 4G]."""
        # Reshapes name every length but R, which may be 0: then no other can be worked out.
        middle, last = self.bias1.shape[0] // 4, self.bias2.shape[0] // 4
        x = (image @ self.weight1 + self.bias1).reshape(-1, middle)
        x = nn.functional.layer_norm(x, (middle,), self.norm.weight, self.norm.bias, self.norm.eps)
        # As one product with its bias: ONNX Runtime's fusion of bias and activation is slower.
        x = self.activation(torch.addmm(self.bias2, self.activation(x), self.weight2))
        masks = weights @ x.reshape(-1, side**2 * 16, last).transpose(1, 2)  # [R, 3, S * 16]
        # A line of tokens at a time: columns but the last bit, rows, the last bit of columns.
        lines = masks.reshape(-1, 2 * side, 4, 2).transpose(1, 2)
        drawn: Tensor = lines.reshape(-1, 4 * side, 4 * side)
        return drawn


def _to_tokens(image: Tensor) -> Tensor:
    """[B, C, H, W] as [B, H * W, C]."""
    return image.flatten(2).transpose(1, 2)


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Multi-head attention of a `SamAttention`; a batch axis of 1 is shared by the other's."""
    heads: int = attention.num_attention_heads
    q, k, v = (
        projection(tensor).unflatten(2, (heads, -1)).transpose(1, 2)
        for projection, tensor in (
            (attention.q_proj, query),
            (attention.k_proj, key),
            (attention.v_proj, value),
        )
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    mixed: Tensor = attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
    return mixed
